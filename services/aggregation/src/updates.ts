import { ConsiliumError } from '@consilium/protocol/errors';
import type { ByteSource, TensorInfo } from '@consilium/tensor';
import { elementSize } from '@consilium/tensor';
import type { FileLayout, ModelFile } from './model-file.js';
import { FileOpener } from './model-file.js';
import type { PartialTotals } from './partial-format.js';
import { addTotals } from './partial-format.js';
import { defaultMemoryBytes, planSums } from './plan.js';
import type { BadTerm, WeightedValues } from './sum/float-sums.js';
import { isFloat } from './sum/float-sums.js';
import { MAX_TERM, MAX_WEIGHT } from './sum/grid.js';
import type { WeightedIntegers } from './sum/integer-sums.js';
import type { GroupSums } from './sum-engine.js';
import { sumGroups } from './sum-engine.js';

/** One contribution: where its weights are, how much it counts, and what to call it in errors. */
export interface WeightedUpdate {
  readonly source: ByteSource;
  /** Whole number from 1 to 2^31, e.g. training examples. */
  readonly weight: number;
  /** Name of the site or file. */
  readonly label: string;
}

export interface SumOptions {
  /** Bound on all buffers together, in bytes (default 96 MiB, at least 2 MiB). */
  readonly memoryBytes?: number;
}

/** Sums group by group, with what the totals are. */
export interface RunningSums {
  readonly totals: PartialTotals;
  readonly groups: AsyncGenerator<GroupSums>;
}

/** Throws AGG_BAD_WEIGHT unless `weight` is a whole number from 1 to 2^31. */
export function checkWeight(weight: number, label: string): void {
  if (Number.isInteger(weight) && weight >= 1 && weight <= MAX_WEIGHT) return;
  throw new ConsiliumError('AGG_BAD_WEIGHT', `It is ${weight}; 1 to ${MAX_WEIGHT} can be used.`, {
    where: label,
  });
}

/** Opens all updates and starts their sums. `anyOrder` as in `FileLayout`. */
export async function sumUpdates(
  updates: readonly WeightedUpdate[],
  infos: readonly TensorInfo[],
  options: SumOptions,
  anyOrder = false,
): Promise<RunningSums> {
  for (const { weight, label } of updates) checkWeight(weight, label);
  const totals = addTotals(updates.map(({ weight }) => ({ weight, count: 1 })));
  const memoryBytes = options.memoryBytes ?? defaultMemoryBytes;
  const plan = planSums(infos, updates.length, memoryBytes);
  const files = await openAll(updates, {
    expected: infos,
    first: 0,
    unitBytes: infos.map((info) => elementSize(info.dtype)),
    anyOrder,
    chunkBytes: chunkBytesFor(memoryBytes, updates.length),
  });
  const add = (sums: GroupSums, first: number, data: readonly Uint8Array[][]): void => {
    addUpdates(sums, infos, updates.slice(first, first + data.length), data);
  };
  return { totals, groups: sumGroups(plan, files, add) };
}

/** Files that can only be read in sequence hold two chunks each. */
export function chunkBytesFor(memoryBytes: number, files: number): number {
  const share = Math.floor(memoryBytes / (8 * files));
  return Math.min(2 ** 18, Math.max(2 ** 12, share - (share % 16)));
}

const OPEN_AT_ONCE = 8;

/** Opens files a few at a time, in order. */
export async function openAll(
  inputs: readonly { readonly source: ByteSource; readonly label: string }[],
  layout: FileLayout,
): Promise<ModelFile[]> {
  const opener = new FileOpener(layout);
  const files: ModelFile[] = [];
  for (let first = 0; first < inputs.length; first += OPEN_AT_ONCE) {
    const some = inputs.slice(first, first + OPEN_AT_ONCE);
    files.push(...(await Promise.all(some.map(({ source, label }) => opener.open(source, label)))));
  }
  return files;
}

function addUpdates(
  { group, floats, integers }: GroupSums,
  infos: readonly TensorInfo[],
  updates: readonly WeightedUpdate[],
  data: readonly Uint8Array[][],
): void {
  for (const [p, piece] of group.pieces.entries()) {
    const info = infos[piece.tensor]!;
    const { dtype } = info;
    if (isFloat(dtype)) {
      const batch = updates.map(({ weight }, j): WeightedValues => ({ dtype, weight, bytes: data[j]![p]! }));
      const bad = floats.add(batch, piece.place, piece.count);
      if (bad !== undefined) throw badTermError(bad, info, piece.start, updates[bad.update]!);
    } else {
      const batch = updates.map(
        ({ weight }, j): WeightedIntegers => ({ dtype, weight, bytes: data[j]![p]! }),
      );
      integers.add(batch, piece.place, piece.count);
    }
  }
}

/** AGG_NOT_FINITE or AGG_OUT_OF_RANGE for one value of a tensor. */
export function badTermError(
  { index, value }: Pick<BadTerm, 'index' | 'value'>,
  info: TensorInfo,
  start: number,
  { weight, label }: Pick<WeightedUpdate, 'weight' | 'label'>,
): ConsiliumError {
  const where = `${label}, tensor ${JSON.stringify(info.name)}, element ${start + index}`;
  if (!Number.isFinite(value)) return new ConsiliumError('AGG_NOT_FINITE', `It is ${value}.`, { where });
  const detail = `${value} times the weight ${weight} exceeds ±${MAX_TERM}.`;
  return new ConsiliumError('AGG_OUT_OF_RANGE', detail, { where });
}
