import type { TensorInfo, TensorInput } from '@consilium/tensor';
import { bytesOf, writeNpz } from '@consilium/tensor';
import { PARTIAL_FORMAT, partialInfos, partialScalars } from './partial-format.js';
import type { Piece } from './plan.js';
import { isFloat } from './sum/float-sums.js';
import { narrow } from './sum/narrow.js';
import type { GroupSums } from './sum-engine.js';
import type { RunningSums } from './updates.js';

/** Writes sums as a partial. */
export async function* writePartial(
  sums: RunningSums,
  infos: readonly TensorInfo[],
): AsyncGenerator<Uint8Array> {
  const { weight, count } = sums.totals;
  const scalars = [PARTIAL_FORMAT, weight, count].map((value, i): TensorInput => {
    return { ...partialScalars[i]!, data: BigInt64Array.of(BigInt(value)) };
  });
  const lanes = partialInfos(infos).slice(partialScalars.length);
  yield* write(sums, scalars, lanes, ({ floats, integers }, { tensor, place, count: length }) => {
    const { dtype } = infos[tensor]!;
    return bytesOf(isFloat(dtype) ? floats.lanes(place, length) : integers.lanes(place, length));
  });
}

/** Writes sums, divided by their weight, as a model. */
export async function* writeMean(
  sums: RunningSums,
  infos: readonly TensorInfo[],
): AsyncGenerator<Uint8Array> {
  const { weight } = sums.totals;
  yield* write(sums, [], infos, ({ floats, integers }, { tensor, place, count }) => {
    const { dtype } = infos[tensor]!;
    return isFloat(dtype)
      ? narrow(floats.means(weight, place, count), dtype)
      : integers.means(weight, dtype, place, count);
  });
}

/** Writes what is known, then one tensor for each of the plan, its pieces as they come. */
async function* write(
  { groups }: RunningSums,
  first: readonly TensorInput[],
  infos: readonly TensorInfo[],
  bytesOfPiece: (sums: GroupSums, piece: Piece) => Uint8Array,
): AsyncGenerator<Uint8Array> {
  const cursor = new PieceCursor(groups, bytesOfPiece);
  const tensors = infos.map((info, tensor): TensorInput => ({ ...info, data: cursor.tensor(tensor) }));
  try {
    yield* writeNpz([...first, ...tensors]);
    await cursor.end();
  } finally {
    await groups.return(undefined);
  }
}

/** Cuts the sequence of groups into the pieces of one tensor after the other. */
class PieceCursor {
  readonly #groups: AsyncGenerator<GroupSums>;
  readonly #bytesOfPiece: (sums: GroupSums, piece: Piece) => Uint8Array;
  #sums: GroupSums | undefined;
  #next = 0;
  #done = false;

  constructor(
    groups: AsyncGenerator<GroupSums>,
    bytesOfPiece: (sums: GroupSums, piece: Piece) => Uint8Array,
  ) {
    this.#groups = groups;
    this.#bytesOfPiece = bytesOfPiece;
  }

  async *tensor(index: number): AsyncGenerator<Uint8Array> {
    for (let piece = await this.#peek(); piece?.tensor === index; piece = await this.#peek()) {
      this.#next++;
      yield this.#bytesOfPiece(this.#sums!, piece);
    }
  }

  /** Runs the groups to their end, where the CRCs of files that are read in sequence are checked. */
  async end(): Promise<void> {
    while (!this.#done) this.#done = (await this.#groups.next()).done === true;
  }

  async #peek(): Promise<Piece | undefined> {
    while (!this.#done && (this.#sums === undefined || this.#next >= this.#sums.group.pieces.length)) {
      const { value, done } = await this.#groups.next();
      this.#done = done === true;
      this.#sums = value as GroupSums | undefined;
      this.#next = 0;
    }
    return this.#done ? undefined : this.#sums!.group.pieces[this.#next];
  }
}
