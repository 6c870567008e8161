import { ConsiliumError } from '@consilium/protocol';
import { holdsFor } from '../phase.js';
import type { PhaseState } from '../phase-state.js';
import type { Phases } from '../phases.js';

/**
 * The phase of a task that this client still has to do.
 *
 * @throws ConsiliumError TASK_FOREIGN, TASK_UNKNOWN, TASK_ENDED, TASK_LATE; BUS_UNAVAILABLE to ask again
 */
export async function heldPhase(
  phases: Phases,
  task: string,
  client: string,
  now: number,
): Promise<PhaseState> {
  const phase = await phases.ofTask(task, client);
  if (phase === undefined) {
    throw new ConsiliumError('TASK_UNKNOWN', 'There is no order for it here now.', { where: task });
  }
  if (holdsFor(phase, client, now)) return phase;
  const record = phase.records.get(client);
  if (record === undefined) throw new ConsiliumError('TASK_LATE', 'Its phase has closed.', { where: task });
  throw new ConsiliumError('TASK_ENDED', `It ended at ${record.at}.`, { where: task });
}
