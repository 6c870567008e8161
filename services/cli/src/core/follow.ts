import {
  type SessionEvent,
  type SessionView,
  sessionEventSchema,
  sessionViewSchema,
} from '@consilium/protocol';
import type { ApiClient } from './api-client.js';
import type { Output } from './output.js';
import { SessionProgress } from './progress.js';

/**
 * Follows a session until it ends: lines for people, or every event as JSON. Comes back after a lost connection
 * where it left off. Returns the session as it then is.
 */
export async function followSession(
  api: ApiClient,
  out: Output,
  id: string,
  options: { onEvent?: (event: SessionEvent) => void; signal?: AbortSignal } = {},
): Promise<SessionView> {
  const progress = new SessionProgress();
  let from = 1;
  let failures = 0;
  const isAborted = () => options.signal?.aborted === true;
  while (!isAborted()) {
    try {
      for await (const line of api.lines(`/sessions/${id}/events?follow=true&from=${from}`, options.signal)) {
        const { sequence, ...rest } = JSON.parse(line) as { sequence: number };
        from = sequence + 1;
        failures = 0;
        const parsed = sessionEventSchema.safeParse(rest);
        if (!parsed.success) continue; // of a newer reducer
        show(out, progress, parsed.data);
        options.onEvent?.(parsed.data);
        // The reducer goes on telling: a paused session has not ended. Who waits here has nothing to wait for.
        if (parsed.data.event === 'session.state' && parsed.data.state === 'paused') break;
      }
    } catch (error) {
      failures += 1;
      if (failures > 30 || isAborted()) throw error;
      out.progress('the reducer does not answer; trying again');
    }
    const session = await current(api, id);
    if (session !== undefined && ['finished', 'stopped', 'failed', 'paused'].includes(session.state)) {
      out.endProgress();
      return session;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  return api.get(`/sessions/${id}`, sessionViewSchema);
}

async function current(api: ApiClient, id: string): Promise<SessionView | undefined> {
  // While the reducer restarts there is no answer; the loop around asks again.
  return api.get(`/sessions/${id}`, sessionViewSchema).catch(() => undefined);
}

function show(out: Output, progress: SessionProgress, event: SessionEvent): void {
  if (out.json) out.result(event, '');
  for (const line of progress.take(event)) out.say(line);
  const live = progress.live();
  if (live !== '') out.progress(live);
}
