import { ConsiliumError } from '@consilium/protocol/errors';
import type { ByteSource, TensorInfo } from '@consilium/tensor';
import type { PartialTotals } from './partial-format.js';
import { addTotals, partialInfos, partialScalars, readTotals } from './partial-format.js';
import { defaultMemoryBytes, planSums } from './plan.js';
import { isFloat } from './sum/float-sums.js';
import { MAX_WEIGHT } from './sum/grid.js';
import { largestMagnitude } from './sum/integer-sums.js';
import type { GroupSums } from './sum-engine.js';
import { sumGroups } from './sum-engine.js';
import type { RunningSums, SumOptions } from './updates.js';
import { chunkBytesFor, openAll } from './updates.js';

/** Bytes of the two lanes of an element. */
const LANE_BYTES = 16;

/** A partial to be added, with a name for errors. */
export interface PartialInput {
  readonly source: ByteSource;
  readonly label: string;
}

/** Opens partials and starts their sums. */
export async function sumPartials(
  partials: readonly PartialInput[],
  infos: readonly TensorInfo[],
  options: SumOptions,
): Promise<RunningSums> {
  const each: PartialTotals[] = [];
  for (const { source, label } of partials) each.push(await readTotals(source, label));
  const totals = addTotals(each);
  const memoryBytes = options.memoryBytes ?? defaultMemoryBytes;
  const plan = planSums(infos, partials.length, memoryBytes, () => LANE_BYTES);
  const files = await openAll(partials, {
    expected: partialInfos(infos),
    first: partialScalars.length,
    unitBytes: infos.map(() => LANE_BYTES),
    anyOrder: false,
    chunkBytes: chunkBytesFor(memoryBytes, partials.length),
  });
  const add = (sums: GroupSums, first: number, data: readonly Uint8Array[][]): void => {
    for (const [j, pieces] of data.entries()) {
      addLanes(sums, infos, each[first + j]!, partials[first + j]!.label, pieces);
    }
  };
  return { totals, groups: sumGroups(plan, files, add) };
}

function addLanes(
  { group, floats, integers }: GroupSums,
  infos: readonly TensorInfo[],
  { count, weight }: PartialTotals,
  label: string,
  pieces: readonly Uint8Array[],
): void {
  for (const [p, piece] of group.pieces.entries()) {
    const { name, dtype } = infos[piece.tensor]!;
    // Lanes are pairs of 8 bytes, but a piece may begin anywhere in what was read.
    const found = pieces[p]!;
    const bytes = found.byteOffset % 8 === 0 ? found : new Uint8Array(found);
    const { buffer, byteOffset } = bytes as Uint8Array<ArrayBuffer>;
    const bad = isFloat(dtype)
      ? floats.addLanes(new Float64Array(buffer, byteOffset, 2 * piece.count), count, piece.place)
      : integers.addLanes(
          new BigInt64Array(buffer, byteOffset, 2 * piece.count),
          BigInt(weight) * largestMagnitude(dtype),
          piece.place,
        );
    if (bad === -1) continue;
    const detail = `Its lanes cannot be the sum of ${count} contributions of weights up to ${MAX_WEIGHT}.`;
    throw new ConsiliumError('AGG_BAD_PARTIAL', detail, {
      where: `${label}, tensor ${JSON.stringify(name)}, element ${piece.start + bad}`,
    });
  }
}
