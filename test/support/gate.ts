import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SessionEvent } from '@consilium/protocol';
import type { VerifyResult } from '@consilium/trail';
import type { Federation } from './federation.js';
import type { Site } from './site.js';

/** Sources of the package whose tasks wait where a site says so. */
export const gatePackage = fileURLToPath(new URL('../../fixtures/gate', import.meta.url));

const columns = 64;

/** Unequal sites for the gate package, `site-1` and on, with 3, 4, 5, … rows; not started yet. */
export async function gateSites(
  federation: Federation,
  count: number,
  extra: Readonly<Record<string, unknown>> = {},
): Promise<Site[]> {
  const sites: Site[] = [];
  for (let index = 1; index <= count; index++) {
    const data = join(federation.dir, 'data', `site-${index}`);
    await mkdir(data, { recursive: true });
    const rows = Array.from({ length: index + 2 }, (_, row) =>
      Array.from({ length: columns }, (_, column) => Math.sin(index * 1000 + row * 100 + column) * index),
    );
    await writeFile(join(data, 'train.csv'), `${rows.map((row) => row.join(',')).join('\n')}\n`);
    sites.push(await federation.addSite(`site-${index}`, data, extra));
  }
  return sites;
}

/** Whether a site works on a task now: its program has spoken. */
export function isAtWork(site: string, kind: 'train' | 'validate', round: number) {
  return (event: SessionEvent): boolean =>
    event.event === 'client.progress' &&
    event.client === site &&
    event.kind === kind &&
    event.round === round;
}

/**
 * What holds of every session, whatever was killed: all rounds are there, the trail stands up to every check
 * and recomputes bit by bit, and nobody counts twice in a model.
 */
export async function assertWhole(
  federation: Federation,
  session: string,
  rounds: number,
): Promise<VerifyResult> {
  const view = await federation.finished(session);
  assert.equal(view.head.number, rounds);
  const result = await federation.verify(session);
  assert.deepEqual(
    result.findings.map(({ error }) => `${error.code} ${error.where}: ${error.detail}`),
    [],
  );
  assert.equal(result.models.length, rounds + 1);
  assert.equal(result.recomputed, rounds);
  const numbers = result.models.map(({ manifest }) => manifest.content.number);
  assert.deepEqual(
    numbers,
    Array.from({ length: rounds + 1 }, (_, number) => number),
  );
  for (const { manifest } of result.models) {
    const { contributions, num_examples } = manifest.content;
    const examples = new Map(contributions.map((c) => [c.client, c.signed.claim.num_examples]));
    assert.equal(
      examples.size,
      contributions.length,
      `model ${manifest.content.number} counts a client twice`,
    );
    assert.equal(
      num_examples,
      [...examples.values()].reduce((sum, n) => sum + n, 0),
    );
  }
  return result;
}

/** The clients whose updates made each model, from model 1 on. */
export function contributors({ models }: VerifyResult): string[][] {
  return models.slice(1).map(({ manifest }) => manifest.content.contributions.map(({ client }) => client));
}
