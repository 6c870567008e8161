import type { ModelFile } from './model-file.js';
import type { Group, SumPlan } from './plan.js';
import { FloatSums } from './sum/float-sums.js';
import { IntegerSums } from './sum/integer-sums.js';

/** The sums of one group, valid until the next group is asked for. */
export interface GroupSums {
  readonly group: Group;
  readonly floats: FloatSums;
  readonly integers: IntegerSums;
}

/** Adds one batch of files: `data[j][p]` are the bytes of piece p in file `first + j`. */
export type AddBatch = (sums: GroupSums, first: number, data: readonly Uint8Array[][]) => void;

/**
 * Works through the groups of a plan: for each, all files are read in batches and added, then the sums are
 * yielded. While one batch is added the next is being read, across groups too; never more than two batches are
 * in memory. The files are closed at the end, an early one included.
 */
export async function* sumGroups(
  plan: SumPlan,
  files: readonly ModelFile[],
  addBatch: AddBatch,
): AsyncGenerator<GroupSums> {
  const slots = files.some((file) => file.fills) ? 2 * plan.filesAtOnce : 0;
  const floats = new FloatSums(plan.floats, slots, plan.inputBytes);
  const integers = new IntegerSums(plan.integers);
  const jobs = batches(plan, files.length);
  // Two halves of the slots in turn: one is filled while the other is added.
  let half = 0;
  const start = (): { job: Batch; pending: Promise<Uint8Array[][]> } | undefined => {
    const { value: job, done } = jobs.next();
    if (done === true) return undefined;
    const firstSlot = half * plan.filesAtOnce;
    half = 1 - half;
    const reads = files
      .slice(job.first, job.first + plan.filesAtOnce)
      .map((file, j) => file.read(job.group, file.fills ? floats.slot(firstSlot + j) : undefined));
    const pending = allOf(reads);
    // Seen when it is awaited; this only keeps an abandoned read from ending the process.
    pending.catch(() => undefined);
    return { job, pending };
  };
  let next = start();
  try {
    while (next !== undefined) {
      const { job, pending } = next;
      const data = await pending;
      next = start();
      const sums = { group: job.group, floats, integers };
      if (job.first === 0) {
        floats.clear(job.group.floats);
        integers.clear(job.group.integers);
      }
      addBatch(sums, job.first, data);
      if (job.last) yield sums;
    }
    for (const file of files) await file.finish();
  } finally {
    await next?.pending.catch(() => undefined);
    for (const file of files) await file.close();
  }
}

interface Batch {
  readonly group: Group;
  /** Index of the first file. */
  readonly first: number;
  /** True for the last batch of the group. */
  readonly last: boolean;
}

function* batches(plan: SumPlan, files: number): Generator<Batch, undefined> {
  for (const group of plan.groups()) {
    for (let first = 0; first < files; first += plan.filesAtOnce) {
      yield { group, first, last: first + plan.filesAtOnce >= files };
    }
  }
  return undefined;
}

/** Waits for every read before it fails, so that none is under way once the error is out. */
async function allOf(reads: readonly Promise<Uint8Array[]>[]): Promise<Uint8Array[][]> {
  const settled = await Promise.allSettled(reads);
  return settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}
