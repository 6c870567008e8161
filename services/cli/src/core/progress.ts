import type { SessionEvent } from '@consilium/protocol';
import { formatMetrics } from './output.js';

interface ClientState {
  state: string;
  step: number | undefined;
  steps: number | undefined;
}

/**
 * What a person wants to see of a session's events: one line for what happened, one live line for what goes on.
 * Pure: events in, texts out.
 */
export class SessionProgress {
  readonly #clients = new Map<string, ClientState>();
  #round = 0;
  #rounds = 0;
  #kind = '';

  /** Lines to keep; empty for events that only move the live line. */
  take(event: SessionEvent): string[] {
    switch (event.event) {
      case 'session.created':
        return [`session ${event.session} by ${event.by}`];
      case 'session.state':
        if (!['paused', 'finished', 'stopped', 'failed', 'waiting'].includes(event.state)) return [];
        if (event.state === 'waiting' && event.reason === null) return [];
        return [`${event.state}${event.reason === null ? '' : `: ${event.reason}`}`];
      case 'round.started':
        this.#start(event);
        return [];
      case 'round.failed':
        return [`round ${event.round}, try ${event.attempt + 1} failed: ${event.reason}`];
      case 'model.committed': {
        const metrics = formatMetrics(event.metrics);
        const best = event.best ? '  best so far' : '';
        const from = `${event.contributions} sites, ${event.num_examples} examples`;
        return [
          `round ${event.round}/${this.#rounds || '?'}  model ${event.number} ${event.id.slice(0, 12)}  ${from}  ${metrics}${best}`,
        ];
      }
      case 'client.progress':
        this.#progress(event);
        return [];
      case 'client.result':
        this.#clients.set(event.client, { state: 'done', step: undefined, steps: undefined });
        return [];
      case 'client.failed':
        this.#clients.set(event.client, { state: 'failed', step: undefined, steps: undefined });
        return [
          `${event.client} failed at ${event.kind}: ${event.code}: ${event.detail}`,
          ...tail(event.log_tail),
        ];
      case 'update.refused':
        return [`update of ${event.client} refused: ${event.code}: ${event.detail}`];
    }
  }

  /** The live line: round, phase, and each client's state. */
  live(): string {
    if (this.#kind === '') return '';
    const clients = [...this.#clients].map(([name, { state, step, steps }]) => {
      const part =
        step !== undefined && steps !== undefined && steps > 0 ? ` ${Math.floor((100 * step) / steps)}%` : '';
      return `${name} ${state}${part}`;
    });
    return `round ${this.#round}/${this.#rounds} ${this.#kind}  ${clients.join('  ')}`;
  }

  #start(event: Extract<SessionEvent, { event: 'round.started' }>): void {
    this.#round = event.round;
    this.#rounds = event.rounds;
    this.#kind = event.kind === 'train' ? 'training' : 'validating';
    this.#clients.clear();
    for (const { clients } of event.cohorts) {
      for (const client of clients)
        this.#clients.set(client, { state: 'asked', step: undefined, steps: undefined });
    }
  }

  #progress(event: Extract<SessionEvent, { event: 'client.progress' }>): void {
    const before = this.#clients.get(event.client);
    if (before === undefined || before.state === 'done') return;
    this.#clients.set(event.client, {
      state: event.state ?? before.state,
      step: event.step ?? before.step,
      steps: event.steps ?? before.steps,
    });
  }
}

function tail(log: string): string[] {
  return log
    .trimEnd()
    .split('\n')
    .slice(-8)
    .filter((line) => line !== '')
    .map((line) => `    ${line}`);
}
