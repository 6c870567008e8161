import { ConsiliumError } from '@consilium/protocol';
import type { Child } from './child.js';
import { treeUsage } from './process-tree.js';
import type { TaskLimits } from './sandbox/limits.js';
import { formatSize } from './units.js';

export interface Supervision {
  readonly limits: TaskLimits;
  readonly signal?: AbortSignal;
  /** From SIGTERM to SIGKILL, milliseconds. */
  readonly graceMs: number;
  /** How often memory and processes are looked at, milliseconds. */
  readonly watchMs: number;
  /** `train of breast-fna 1.0.0` */
  readonly label: string;
}

export interface Supervised<T> {
  /** What `work` gave; undefined when the task was stopped. */
  readonly result?: T;
  /** Why it was stopped. */
  readonly stopped?: ConsiliumError;
  readonly peakMemory?: number;
}

/** Waits for a task and ends its process when it takes too long, too much, or is not wanted any more. */
export async function supervise<T>(
  child: Child,
  work: Promise<T>,
  options: Supervision,
): Promise<Supervised<T>> {
  const { limits, signal, label } = options;
  let peak: number | undefined;
  let stop: (reason: ConsiliumError) => void = () => undefined;
  const stopping = new Promise<ConsiliumError>((resolve) => {
    stop = resolve;
  });
  const onAbort = (): void => stop(new ConsiliumError('PKG_TASK_ABORTED', `${label}.`));
  const deadline = setTimeout(
    () => stop(new ConsiliumError('PKG_TASK_TIMEOUT', `${label} had ${limits.timeout} s.`)),
    Math.min(limits.timeout * 1000, 2 ** 31 - 1),
  );
  const watch = watchUsage(child, options.watchMs, ({ memory, processes }) => {
    peak = Math.max(peak ?? 0, memory);
    if (memory > limits.memory) {
      const detail = `${label} used ${formatSize(memory)}; the limit is ${formatSize(limits.memory)}.`;
      stop(new ConsiliumError('PKG_TASK_MEMORY', detail));
    }
    if (processes > limits.processes) {
      const detail = `${label} had ${processes} processes; the limit is ${limits.processes}.`;
      stop(new ConsiliumError('PKG_TASK_PROCESSES', detail));
    }
  });
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const first = await Promise.race([
      work.then((result) => ({ result })),
      stopping.then((stopped) => ({ stopped })),
    ]);
    if ('stopped' in first) await end(child, first.stopped, options.graceMs);
    return { ...first, ...(peak === undefined ? {} : { peakMemory: peak }) };
  } finally {
    clearTimeout(deadline);
    watch.stop();
    signal?.removeEventListener('abort', onAbort);
  }
}

async function end(child: Child, reason: ConsiliumError, graceMs: number): Promise<void> {
  const gentle = reason.code === 'PKG_TASK_TIMEOUT' || reason.code === 'PKG_TASK_ABORTED';
  if (gentle) {
    await child.terminate();
    await Promise.race([child.exited, sleep(graceMs)]);
  }
  await child.kill();
  await child.exited;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}

function watchUsage(
  child: Child,
  milliseconds: number,
  onUsage: (usage: { memory: number; processes: number }) => void,
): { stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = async (): Promise<void> => {
    const usage = child.pid === undefined ? undefined : await treeUsage(child.pid);
    if (stopped || usage === undefined) return;
    onUsage(usage);
    timer = setTimeout(() => void look(), milliseconds);
  };
  void look();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
