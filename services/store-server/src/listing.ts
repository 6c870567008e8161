import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectEntry } from '@consilium/platform/store';
import { errno } from './fs-errors.js';
import { lstatOrNone, type StoreRoot } from './root.js';

export interface ListPage {
  readonly objects: readonly ObjectEntry[];
  /** Give it as `after` to get the next page; absent on the last. */
  readonly next?: string;
}

/**
 * Up to `limit` objects whose keys start with `prefix` and come after `after`, in the order of the keys' UTF-8
 * bytes, as S3 lists them. Symbolic links and other special files are no objects.
 */
export async function listObjects(
  root: StoreRoot,
  bucket: string,
  query: { readonly prefix: string; readonly after?: string | undefined; readonly limit: number },
): Promise<ListPage> {
  const top = await root.bucket(bucket);
  const objects: ObjectEntry[] = [];
  for await (const key of keysBelow(top, '', query.prefix, query.after ?? '')) {
    const stats = await lstatOrNone(join(top, key));
    if (stats === undefined || !stats.isFile()) continue;
    if (objects.length === query.limit) {
      const last = objects.at(-1);
      return { objects, ...(last === undefined ? {} : { next: last.key }) };
    }
    objects.push({ key, size: stats.size, modified: stats.mtimeMs });
  }
  return { objects };
}

/** `base` is empty or ends with `/`. */
async function* keysBelow(
  folder: string,
  base: string,
  prefix: string,
  after: string,
): AsyncGenerator<string, void> {
  const names: string[] = [];
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      // With the slash a folder sorts where its keys do: `a-b` < `a/b` < `a0`.
      if (entry.isDirectory()) names.push(`${base}${entry.name}/`);
      else if (entry.isFile()) names.push(`${base}${entry.name}`);
    }
  } catch (error) {
    // Removed while we were on the way.
    if (errno(error) === 'ENOENT') return;
    throw error;
  }
  names.sort(byBytes);
  for (const name of names) {
    if (!name.endsWith('/')) {
      if (name.startsWith(prefix) && byBytes(name, after) > 0) yield name;
      continue;
    }
    const mayMatch = name.startsWith(prefix) || prefix.startsWith(name);
    // Everything below comes before `after` unless `after` itself lies below or before it.
    const mayFollow = after.startsWith(name) || byBytes(name, after) > 0;
    if (mayMatch && mayFollow) yield* keysBelow(join(folder, name.slice(base.length)), name, prefix, after);
  }
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
