import { ConsiliumError } from '@consilium/protocol';
import { readPackageYaml } from './build.js';
import { type ConfigSchema, closedSchema } from './config-schema.js';
import { type EntryName, entryNames } from './contract.js';
import type { PackageContent, PackageManifest } from './manifest.js';
import { parsePackageYaml } from './package-yaml.js';
import { inRange } from './version-range.js';

/** A built package in a folder, ready to run. */
export interface RunnablePackage {
  readonly name: string;
  readonly version: string;
  /** Digest of the archive; null for a folder that was never packed. */
  readonly digest: string | null;
  /** Absolute. `node_modules` beside it is where the sdk is linked. */
  readonly folder: string;
  readonly runtime: 'node' | 'process';
  readonly sdk?: string;
  readonly worker: boolean;
  readonly entry: Readonly<Partial<Record<EntryName, readonly string[]>>>;
  readonly config: ConfigSchema;
  readonly resources: PackageContent['resources'];
  readonly parts: readonly string[];
}

/** A package that was unpacked; how it runs is taken from what was signed. */
export function runnableFromManifest(manifest: PackageManifest, folder: string): RunnablePackage {
  const { name, version, digest, runtime, sdk, worker, entry, config, resources, parts } = manifest.content;
  return {
    name,
    version,
    digest,
    folder,
    runtime,
    ...(sdk === undefined ? {} : { sdk }),
    worker,
    entry: definedEntries(entry),
    config,
    resources,
    parts,
  };
}

/**
 * A folder that `buildPackage` made, for trying it out without packing it.
 * @throws ConsiliumError PKG_NOT_A_PACKAGE, PKG_BAD_YAML
 */
export async function runnableFromFolder(builtFolder: string): Promise<RunnablePackage> {
  const { text, root } = await readPackageYaml(builtFolder);
  const yaml = parsePackageYaml(text, `${builtFolder}/package.yaml`);
  const entry = Object.fromEntries(
    Object.entries(yaml.entry).map(([name, program]) => [
      name,
      typeof program === 'string' ? [program] : program,
    ]),
  );
  return {
    name: yaml.name,
    version: yaml.version,
    digest: null,
    folder: root,
    runtime: yaml.runtime,
    ...(yaml.runtime === 'node' ? { sdk: yaml.sdk } : {}),
    worker: yaml.runtime === 'node' && yaml.worker === true,
    entry: definedEntries(entry),
    config: closedSchema(yaml.config),
    resources: yaml.resources,
    parts: yaml.parts,
  };
}

/** @throws ConsiliumError PKG_SDK_RANGE naming both versions. */
export function requireSdk(
  pack: Pick<RunnablePackage, 'name' | 'version' | 'sdk' | 'runtime'>,
  installed: string,
): void {
  if (pack.runtime !== 'node' || pack.sdk === undefined || inRange(installed, pack.sdk)) return;
  const detail = `${pack.name} ${pack.version} needs sdk ${pack.sdk}; installed is ${installed}.`;
  throw new ConsiliumError('PKG_SDK_RANGE', detail);
}

/** @throws ConsiliumError PKG_NO_ENTRY */
export function requireEntry(pack: RunnablePackage, entry: EntryName): readonly string[] {
  const program = pack.entry[entry];
  if (program !== undefined) return program;
  const known = entryNames.filter((name) => pack.entry[name] !== undefined).join(', ');
  throw new ConsiliumError(
    'PKG_NO_ENTRY',
    `${pack.name} ${pack.version} has no "${entry}"; it has ${known}.`,
  );
}

function definedEntries(entry: Partial<Record<EntryName, string[] | undefined>>): RunnablePackage['entry'] {
  return Object.fromEntries(Object.entries(entry).filter(([, program]) => program !== undefined));
}
