import { ConsiliumError, type ErrorBody, type ResultRequest, type Task } from '@consilium/protocol';

/** Why work on a task is cut short, as the reason of its abort signal. */
export type Ending =
  /** The combiner does not want it any more: nothing is reported. */
  | { readonly why: 'dropped' }
  /** The client stops: reported as failed, but done again if the task still holds at the next start. */
  | { readonly why: 'stopped' }
  /** Its time is over: reported as failed. */
  | { readonly why: 'late' };

export class TaskEnded extends Error {
  override readonly name = 'TaskEnded';
  readonly ending: Ending;

  constructor(ending: Ending) {
    super(`the task was ${ending.why}`);
    this.ending = ending;
  }
}

/** What the combiner is told; undefined for a task that nobody asks for any more. */
export function endingError(ending: Ending, task: Task): ConsiliumError | undefined {
  if (ending.why === 'dropped') return undefined;
  const where = `task ${task.id}`;
  if (ending.why === 'stopped') {
    return new ConsiliumError('TASK_INTERRUPTED', 'The client is shutting down.', { where });
  }
  return new ConsiliumError('TASK_TIMEOUT', `Its deadline was ${task.deadline}.`, { where });
}

/** Characters of log tail that are sent; the message takes 16,384. */
const TAIL_LIMIT = 16_000;

export function failedRequest(task: Task, error: ConsiliumError, logTail: string): ResultRequest {
  const { code, message, detail, where, fix }: ErrorBody = error.toBody();
  return {
    outcome: 'failed',
    task: task.id,
    error: {
      code,
      message: message.slice(0, 4000),
      detail: detail.slice(0, 4000),
      ...(where === undefined ? {} : { where: where.slice(0, 1000) }),
      fix: fix.slice(0, 4000),
    },
    log_tail: logTail.slice(-TAIL_LIMIT),
  };
}
