import { createWriteStream, existsSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ConsiliumError } from '@consilium/protocol/errors';
import { bufferSource, firstNonFinite, openNpz, type TensorInput, writeNpz } from '@consilium/tensor';
import * as core from '@tensorflow/tfjs-core';
import { type NamedWeight, namedWeights, type Weighted } from './weight-names.js';

/** Names under which a model's weights arrived, so that they leave under the same ones. */
const receivedNames = new WeakMap<object, string[]>();

/** `0`, `1`, …: keys of packages that number their parameters. */
function isNumbered(names: readonly string[]): boolean {
  return names.every((name, index) => name === String(index));
}

function mismatch(weights: readonly NamedWeight[], names: readonly string[], where: string): ConsiliumError {
  const ours = new Set(weights.map(({ name }) => name));
  const theirs = new Set(names);
  const missing = [...ours].filter((name) => !theirs.has(name));
  const extra = [...theirs].filter((name) => !ours.has(name));
  const few = (list: string[]) =>
    (list.length > 5 ? [...list.slice(0, 5), `${list.length - 5} more`] : list).join(', ');
  const parts = [
    missing.length > 0 ? `The file lacks ${few(missing)}.` : '',
    extra.length > 0 ? `The model has no ${few(extra)}.` : '',
  ];
  return new ConsiliumError('SDK_WEIGHTS_MISMATCH', parts.filter(Boolean).join(' '), { where });
}

/**
 * Loads an npz file into a model, by name; a file whose keys are `0`, `1`, … by position. Everything is
 * checked before the first weight is changed.
 *
 * @throws ConsiliumError SDK_WEIGHTS_MISMATCH, SDK_DATA_MISSING, and NPZ_… for a damaged file
 */
export async function npzToWeights(model: Weighted, path: string): Promise<void> {
  if (!existsSync(path))
    throw new ConsiliumError('SDK_DATA_MISSING', 'There is no such weights file.', { where: path });
  const reader = await openNpz(bufferSource(readFileSync(path)));
  const names = reader.entries.map(({ name }) => name);
  const weights = namedWeights(model);
  const numbered = isNumbered(names) && names.length === weights.length;
  const keys = numbered ? names : weights.map(({ name }) => name);
  if (keys.length !== names.length || keys.some((key) => !names.includes(key)))
    throw mismatch(weights, names, path);
  const entries = new Map(reader.entries.map((entry) => [entry.name, entry]));
  for (const [index, weight] of weights.entries()) {
    const entry = entries.get(keys[index] as string);
    const same = entry?.dtype === weight.dtype && entry.shape.join() === weight.shape.join();
    if (entry !== undefined && !same) {
      const detail = `${entry.name} is ${entry.dtype} [${entry.shape}] in the file, ${weight.dtype} [${weight.shape}] in the model.`;
      throw new ConsiliumError('SDK_WEIGHTS_MISMATCH', detail, { where: path });
    }
  }
  for (const [index, weight] of weights.entries()) {
    const { data } = await reader.read(keys[index] as string);
    const value = core.tensor(data as core.TypedArray, [...weight.shape], weight.dtype as core.DataType);
    weight.write(value);
    value.dispose();
  }
  receivedNames.set(model, keys);
}

/**
 * Writes a model's weights as npz, in Keras's order. A model that was loaded from a file with numbered keys
 * is written with numbered keys.
 *
 * @throws ConsiliumError SDK_NOT_FINITE naming the weight, SDK_WEIGHTS_MISMATCH
 */
export async function weightsToNpz(model: Weighted, path: string): Promise<void> {
  const weights = namedWeights(model);
  const keys = receivedNames.get(model) ?? weights.map(({ name }) => name);
  const tensors: TensorInput[] = [];
  for (const [index, weight] of weights.entries()) {
    const data = await weight.read().data();
    if (weight.dtype !== 'float32' && weight.dtype !== 'int32') {
      throw new ConsiliumError(
        'SDK_WEIGHTS_MISMATCH',
        `${weight.name} is ${weight.dtype}; float32 and int32 travel.`,
      );
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const bad = weight.dtype === 'float32' ? firstNonFinite('float32', bytes) : -1;
    if (bad >= 0) {
      throw new ConsiliumError('SDK_NOT_FINITE', `Element ${bad} of ${weight.name} is ${data[bad]}.`, {
        where: path,
      });
    }
    tensors.push({ name: keys[index] as string, dtype: weight.dtype, shape: [...weight.shape], data });
  }
  await pipeline(Readable.from(writeNpz(tensors)), createWriteStream(path));
}

/** Arrays by name, as a file keeps them. */
export type NamedArrays = Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

/** Writes float32 arrays as npz: optimiser state, local layers and the like. */
export async function writeArrays(path: string, arrays: NamedArrays): Promise<void> {
  const tensors = Object.entries(arrays).map(
    ([name, { shape, data }]): TensorInput => ({ name, dtype: 'float32', shape, data }),
  );
  await pipeline(Readable.from(writeNpz(tensors)), createWriteStream(path));
}

/**
 * Reads what `writeArrays` wrote.
 *
 * @throws ConsiliumError SDK_WEIGHTS_MISMATCH for another dtype
 */
export async function readArrays(path: string): Promise<NamedArrays> {
  const reader = await openNpz(bufferSource(readFileSync(path)));
  const arrays: NamedArrays = {};
  for (const { name, dtype, shape } of reader.entries) {
    if (dtype !== 'float32')
      throw new ConsiliumError('SDK_WEIGHTS_MISMATCH', `${name} is ${dtype}.`, { where: path });
    arrays[name] = { shape, data: (await reader.read(name)).data as Float32Array };
  }
  return arrays;
}
