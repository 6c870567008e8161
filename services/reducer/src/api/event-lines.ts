import type { EventStream } from '@consilium/platform';
import { endedStates, type SessionRecord, subjects } from '@consilium/protocol';

export interface EventLines {
  readonly events: Pick<EventStream, 'read' | 'follow'>;
  readonly session: string;
  /** Sequence of the first event; 1 for all. */
  readonly from: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** The record as it is stored; undefined when it is gone. @throws when it cannot be read now */
  readonly record: () => Promise<SessionRecord | undefined>;
  /** Milliseconds between looks at the record while following. */
  readonly lookEvery: number;
}

/**
 * One line an event: `{"sequence": n, ...event}`. Following ends after the event that ends the session. That
 * event can be missing (the reducer died after it stored the record, or the event is older than what the stream
 * keeps), so following also ends when the record has ended and nothing has come between two looks.
 */
export async function* eventLines(options: EventLines): AsyncGenerator<string> {
  const { events, session, from, follow, signal } = options;
  const filter = subjects.event(session);
  const over = new AbortController();
  const looking = follow ? look(options, over) : undefined;
  const messages = follow
    ? events.follow({ from, filter, signal: AbortSignal.any([signal, over.signal]) })
    : events.read({ from, filter });
  try {
    for await (const { sequence, value } of messages) {
      looking?.heard();
      yield `${JSON.stringify({ sequence, ...(value as object) })}\n`;
      const { event, state } = value as { event?: string; state?: string };
      const isEnd = event === 'session.state' && endedStates.includes(state as SessionRecord['state']);
      if (follow && isEnd) return;
    }
  } finally {
    looking?.stop();
  }
}

function look({ record, lookEvery }: EventLines, over: AbortController) {
  let quiet = 0;
  const timer = setInterval(() => {
    record().then(
      (found) => {
        const isOver = found === undefined || endedStates.includes(found.state);
        quiet = isOver ? quiet + 1 : 0;
        if (quiet >= 2) over.abort();
      },
      () => undefined, // cannot be read now; the next look may
    );
  }, lookEvery);
  return {
    heard: () => {
      quiet = 0;
    },
    stop: () => clearInterval(timer),
  };
}
