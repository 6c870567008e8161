import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { nativeFolder } from '@consilium/protocol/folders';
import { version_core } from '@tensorflow/tfjs-core';

const requireHere = createRequire(import.meta.url);

function nativeFolders(prefix: string, env: NodeJS.ProcessEnv): string[] {
  const root = nativeFolder(env);
  if (!existsSync(root)) return [];
  const platform = `-${process.platform}-${process.arch}`;
  return readdirSync(root)
    .filter((name) => name.startsWith(`${prefix}-`) && name.endsWith(platform))
    .filter((name) => /^\d/.test(name.slice(prefix.length + 1)))
    .sort()
    .reverse()
    .map((name) => join(root, name, 'package.json'));
}

export interface FoundPackage {
  /** Loads a module from where the package was found. */
  readonly require: NodeJS.Require;
}

/**
 * Finds an optional package beside the sdk, or in the cache folder `<folder prefix>-<version>-<platform>-
 * <arch>`. Returns the reason as text when it is nowhere.
 */
export function findPackage(
  names: readonly string[],
  folderPrefix: string,
  options: { readonly nativeOnly?: boolean; readonly env?: NodeJS.ProcessEnv } = {},
): FoundPackage | string {
  const env = options.env ?? process.env;
  const native = nativeFolders(folderPrefix, env).map((file) => createRequire(file));
  const places = options.nativeOnly ? native : [requireHere, ...native];
  for (const place of places) {
    try {
      for (const name of names) place.resolve(name);
      return { require: place };
    } catch {
      // Not installed in this place; the next one is asked.
    }
  }
  return `${names.join(' and ')} not installed (${version_core} wanted; looked beside the sdk and in ${nativeFolder(env)})`;
}

/** Folder with the three .wasm files, as a path that ends in a separator. */
export function wasmFolder(): string {
  return join(dirname(requireHere.resolve('@tensorflow/tfjs-backend-wasm')), '/');
}
