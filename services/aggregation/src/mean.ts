import { ConsiliumError } from '@consilium/protocol/errors';
import type { TensorInfo } from '@consilium/tensor';
import { openLabelled } from './model-file.js';
import { writeMean, writePartial } from './output.js';
import type { PartialInput } from './partials.js';
import { sumPartials } from './partials.js';
import type { SumOptions, WeightedUpdate } from './updates.js';
import { sumUpdates } from './updates.js';

/**
 * Bytes of a combiner's partial: the exact sums of weight · value, the sum of weights and the number of
 * contributions (see `partialInfos`). The same bytes for every order of the updates. Updates must have the
 * tensors `infos`, in this order.
 * Throws AGG_MISMATCH, AGG_NOT_FINITE, AGG_OUT_OF_RANGE, AGG_BAD_WEIGHT, AGG_NO_WEIGHT, AGG_TOO_MANY,
 * AGG_MEMORY or an NPZ_ code; the bytes yielded so far are then not to be used.
 */
export async function* partialSum(
  updates: readonly WeightedUpdate[],
  infos: readonly TensorInfo[],
  options: SumOptions = {},
): AsyncGenerator<Uint8Array> {
  yield* writePartial(await sumUpdates(updates, infos, options), infos);
}

/**
 * Bytes of one partial that stands for several: the same that `partialSum` makes of all their updates at once.
 * Throws AGG_BAD_PARTIAL, AGG_MISMATCH, AGG_NO_WEIGHT, AGG_TOO_MANY, AGG_MEMORY or an NPZ_ code.
 */
export async function* mergePartials(
  partials: readonly PartialInput[],
  infos: readonly TensorInfo[],
  options: SumOptions = {},
): AsyncGenerator<Uint8Array> {
  yield* writePartial(await sumPartials(partials, infos, options), infos);
}

/**
 * Bytes of the canonical `weights.npz` that is the weighted mean over all partials, in the dtypes of `infos`:
 * (sum / total weight) in float64, then one rounding to the dtype; integers and bool exactly, half to even.
 * Zeros are +0. Throws what `mergePartials` throws.
 */
export async function* finishMean(
  partials: readonly PartialInput[],
  infos: readonly TensorInfo[],
  options: SumOptions = {},
): AsyncGenerator<Uint8Array> {
  yield* writeMean(await sumPartials(partials, infos, options), infos);
}

/**
 * Bytes of the weighted mean of npz files, the same that `finishMean` makes of their partials. Any npz that
 * NumPy writes will do (deflated, big-endian, Fortran order, other order of names); the first file gives names,
 * order, dtypes and shapes. The memory bound does not cover tensors in Fortran order, which are held whole.
 * Throws what `partialSum` throws.
 */
export async function* weightedMean(
  updates: readonly WeightedUpdate[],
  options: SumOptions = {},
): AsyncGenerator<Uint8Array> {
  const first = updates[0];
  if (first === undefined) throw new ConsiliumError('AGG_NO_WEIGHT', 'There is no file.');
  const infos = await modelInfos(first);
  yield* writeMean(await sumUpdates(updates, infos, options, true), infos);
}

/** Names, dtypes and shapes of an npz file, in its order. Throws NPZ_ codes. */
export async function modelInfos({
  source,
  label,
}: Pick<WeightedUpdate, 'source' | 'label'>): Promise<TensorInfo[]> {
  const { entries } = await openLabelled(source, label, 4096);
  return entries.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
}
