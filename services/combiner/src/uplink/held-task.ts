import { ConsiliumError, type Order } from '@consilium/protocol';
import { holdsFor } from '../phase.js';
import type { Phases } from '../phases.js';

/**
 * The order of a task that this client still has to do.
 *
 * @throws ConsiliumError TASK_FOREIGN, TASK_UNKNOWN, TASK_ENDED, TASK_LATE; BUS_UNAVAILABLE to ask again
 */
export async function heldOrder(phases: Phases, task: string, client: string, now: number): Promise<Order> {
  const phase = await phases.ofTask(task, client);
  if (phase === undefined) {
    throw new ConsiliumError('TASK_UNKNOWN', 'There is no order for it here now.', { where: task });
  }
  if (holdsFor(phase, client, now)) return phase.order;
  const record = phase.records.get(client);
  if (record === undefined) throw new ConsiliumError('TASK_LATE', 'Its phase has closed.', { where: task });
  throw new ConsiliumError('TASK_ENDED', `It ended at ${record.at}.`, { where: task });
}
