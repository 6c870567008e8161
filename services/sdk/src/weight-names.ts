import { ConsiliumError } from '@consilium/protocol/errors';
import type * as core from '@tensorflow/tfjs-core';
import { Variable } from '@tensorflow/tfjs-core';
import { LayersModel, type LayerVariable } from '@tensorflow/tfjs-layers';

/** Anything with weights: a layers model, a variable, or a named group of those (`{ generator, discriminator }`). */
export type Weighted = LayersModel | core.Variable | { readonly [name: string]: Weighted };

/** One parameter of a model, with the name it travels under. */
export interface NamedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  read(): core.Tensor;
  write(value: core.Tensor): void;
}

// `dense_Dense3`: what tfjs calls a layer that nobody named. The number counts the layers of this process.
const automaticName = /^((?:forward_|backward_)?)([a-z0-9_]+)_([A-Z][A-Za-z0-9]*?)(\d+)$/;

/**
 * Replaces automatic layer names by ones that depend on the model alone: `dense`, `dense_1`, … in the
 * order of appearance, as Keras counts them. Names that were given stay.
 */
function stableNames(): (original: string) => string {
  const seen = new Map<string, string[]>();
  return (original) =>
    original
      .split('/')
      .map((segment) => {
        const match = automaticName.exec(segment);
        if (match === null) return segment;
        const [, direction = '', base = '', className = '', counter = ''] = match;
        const counters = seen.get(base) ?? [];
        seen.set(base, counters);
        const key = `${className}${counter}`;
        if (!counters.includes(key)) counters.push(key);
        const ordinal = counters.indexOf(key);
        return `${direction}${base}${ordinal === 0 ? '' : `_${ordinal}`}`;
      })
      .join('/');
}

function layerWeights(model: LayersModel): LayerVariable[] {
  const found = new Set<LayerVariable>();
  for (const layer of model.layers) {
    // Layer by layer: Keras's order. `model.weights` of tfjs lists all trainable ones first.
    const own = layer instanceof LayersModel ? layerWeights(layer) : layer.weights;
    for (const weight of own) found.add(weight);
  }
  return [...found];
}

function collect(weighted: Weighted, prefix: string): NamedWeight[] {
  if (weighted instanceof Variable) {
    return [
      {
        name: prefix,
        shape: weighted.shape,
        dtype: weighted.dtype,
        read: () => weighted,
        write: (value) => weighted.assign(value as core.Tensor),
      },
    ];
  }
  if (weighted instanceof LayersModel) {
    const rename = stableNames();
    return layerWeights(weighted).map((weight) => ({
      // `originalName` is without the `_1` that tfjs adds for the second model in a process.
      name: `${prefix === '' ? '' : `${prefix}/`}${rename(weight.originalName)}`,
      shape: weight.shape as number[],
      dtype: weight.dtype,
      read: () => weight.read(),
      write: (value) => {
        weight.write(value);
      },
    }));
  }
  return Object.entries(weighted).flatMap(([name, part]) =>
    collect(part, prefix === '' ? name : `${prefix}/${name}`),
  );
}

/**
 * The parameters of a model in Keras's order (layer by layer, in each the trainable ones first), so that
 * `set_weights([npz[k] for k in npz.files])` works on the same Keras model. Names are the same in every
 * process and for every copy of the model; moving statistics are among them.
 *
 * @throws ConsiliumError SDK_WEIGHTS_MISMATCH when there are none, or two have one name
 */
export function namedWeights(model: Weighted): NamedWeight[] {
  const weights = collect(model, '');
  if (weights.length === 0) {
    throw new ConsiliumError(
      'SDK_WEIGHTS_MISMATCH',
      'The model has no weights; build it with an input shape.',
    );
  }
  const names = new Set<string>();
  for (const { name } of weights) {
    if (names.has(name)) {
      throw new ConsiliumError('SDK_WEIGHTS_MISMATCH', `Two weights are called ${name}.`, {
        fix: 'Give each layer a name of its own.',
      });
    }
    names.add(name);
  }
  return weights;
}
