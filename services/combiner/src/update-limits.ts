import { type ObjectRef, type Order, objectKeys } from '@consilium/protocol';
import { phaseOf } from './phase.js';

/** Bytes that an update may be larger than `base × factor`, for zip headers of tiny models. */
const SLACK = 1024 * 1024;

/**
 * Largest update in bytes that is taken for a base model of `baseSize` bytes. An update has the base's
 * parameters and dtypes, so it is about as large; the factor leaves room for other ways of writing npz.
 */
export function updateSizeLimit(baseSize: number, factor: number): number {
  return Math.ceil(baseSize * factor) + SLACK;
}

/** Where the update of one client lies, whoever wrote it. */
export function updateRef(order: Order, client: string, digest: string, size: number): ObjectRef {
  return { bucket: 'consilium-work', key: objectKeys.update(phaseOf(order), client, digest), digest, size };
}

/** The model that the tasks of an order start from. */
export function baseOf(order: Order): ObjectRef {
  const base = order.template.inputs.weights;
  if (base === undefined) throw new TypeError('an order without inputs.weights');
  return base;
}

/**
 * The object that a task calls `package.archive`, `package.manifest` or `inputs.<part>`; undefined for any
 * other name. Own properties only: `inputs.constructor` is no object of the task.
 */
export function namedObject(order: Order, name: string): ObjectRef | undefined {
  const { package: archive, inputs } = order.template;
  if (name === 'package.archive') return archive.archive;
  if (name === 'package.manifest') return archive.manifest;
  const part = name.startsWith('inputs.') ? name.slice('inputs.'.length) : '';
  return Object.hasOwn(inputs, part) ? inputs[part] : undefined;
}
