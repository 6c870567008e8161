import { createHash } from 'node:crypto';
import type { Cohort, PhaseRef } from '@consilium/protocol';

/** A connected client and the combiner that has it. */
export interface AvailableClient {
  readonly client: string;
  readonly combiner: string;
}

export interface Sampling {
  readonly fraction: number;
  readonly minimum: number;
}

/**
 * How many clients a phase asks: max(fraction × available, minimum), at most all of them.
 * Fraction 0 with minimum 0 switches the phase off.
 */
export function sampleSize(sampling: Sampling, available: number): number {
  const wanted = Math.max(Math.ceil(sampling.fraction * available), sampling.minimum);
  return Math.min(wanted, available);
}

/**
 * Draws clients without replacement. The order is the hash of seed, phase and name, so the same session
 * draws the same clients whoever computes it and in whatever order they are known.
 */
export function sampleClients(
  available: readonly AvailableClient[],
  size: number,
  phase: PhaseRef,
  seed: number,
): AvailableClient[] {
  const lot = (client: string) =>
    createHash('sha256')
      .update(JSON.stringify([seed, phase.session, phase.round, phase.attempt, phase.kind, client]))
      .digest('hex');
  return available
    .map((entry) => ({ entry, lot: lot(entry.client) }))
    .sort((a, b) => (a.lot < b.lot ? -1 : 1))
    .slice(0, size)
    .map(({ entry }) => entry);
}

/** Clients grouped by combiner; combiners and clients in the order of their names. */
export function groupByCombiner(clients: readonly AvailableClient[]): Cohort[] {
  const groups = new Map<string, string[]>();
  for (const { client, combiner } of clients) {
    const group = groups.get(combiner);
    if (group === undefined) groups.set(combiner, [client]);
    else group.push(client);
  }
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([combiner, names]) => ({ combiner, clients: names.sort() }));
}

/** The integer seed that all clients of a phase get; each mixes in its own name. */
export function phaseSeed(phase: PhaseRef, seed: number): number {
  const text = JSON.stringify(['phase', seed, phase.session, phase.round, phase.kind]);
  return createHash('sha256').update(text).digest().readUInt32BE(0) >>> 1;
}
