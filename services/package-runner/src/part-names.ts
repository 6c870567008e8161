import { ConsiliumError, partNameSchema } from '@consilium/protocol';

/**
 * Names of model parts become names of files, here and in the folder that results are taken from.
 * @throws ConsiliumError PKG_BAD_PART
 */
export function requirePartNames(names: readonly string[]): void {
  for (const name of names) {
    if (partNameSchema.safeParse(name).success) continue;
    const detail = `The task has ${JSON.stringify(name.slice(0, 100))}.`;
    throw new ConsiliumError('PKG_BAD_PART', detail, { where: 'inputs' });
  }
}
