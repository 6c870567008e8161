import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConsiliumError, type DataSet } from '@consilium/protocol';
import { readJsonFile, writeJsonFile } from '../state/json-file.js';
import { inParallel } from './in-parallel.js';
import { type DataFile, listFiles } from './list-files.js';

/** Bytes up to which a file is read in one go: opening a stream costs more than the rest together. */
const SMALL = 1 << 20;

interface Known {
  readonly stamp: string;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface DataSetOptions {
  /** The data folder. */
  readonly path: string;
  /** What the manifest calls it. */
  readonly name: string;
  /** Remembers the digests of files that have not changed; may be removed at any time. */
  readonly indexFile: string;
  readonly onIndexDamaged?: (error: unknown) => void;
}

/** Describes the site's data in the claims that it signs. Only files that changed are read again. */
export class DataSetIndex {
  readonly #options: DataSetOptions;
  #known: Map<string, Known> | undefined;
  #running: Promise<DataSet> | undefined;

  constructor(options: DataSetOptions) {
    this.#options = options;
  }

  /**
   * Name, number and bytes of the files, and sha256 over the lines `<relative path> <size> <sha256>`
   * (sorted by path, each ended by a line feed; backslash and line feed in a path written as `\\`, `\n`).
   * Calls at the same time share one walk.
   * @throws ConsiliumError CLIENT_DATA_MISSING, CLIENT_DATA_CHANGED, CLIENT_STATE_UNWRITABLE
   */
  describe(): Promise<DataSet> {
    this.#running ??= this.#describe().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #describe(): Promise<DataSet> {
    const { path, name, indexFile } = this.#options;
    this.#known ??= await this.#load();
    const known = this.#known;
    const files = await listFiles(path).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    const digests = await inParallel(files, async (file) => {
      const before = known.get(file.path);
      return before?.stamp === file.stamp ? before.sha256 : await hashFile(path, file);
    });
    const lines = createHash('sha256');
    const next = new Map<string, Known>();
    let bytes = 0;
    for (const [i, file] of files.entries()) {
      const sha256 = digests[i] ?? '';
      next.set(file.path, { stamp: file.stamp, sha256 });
      bytes += file.size;
      const shown = file.path.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
      lines.update(`${shown} ${file.size} ${sha256}\n`);
    }
    if (!sameEntries(known, next)) {
      this.#known = next;
      await writeJsonFile(indexFile, { schema: 1, files: Object.fromEntries(next) });
    }
    return { name, files: files.length, bytes, digest: `sha256:${lines.digest('hex')}` };
  }

  async #load(): Promise<Map<string, Known>> {
    try {
      const value = (await readJsonFile(this.#options.indexFile)) as { files?: Record<string, Known> } | undefined;
      return new Map(Object.entries(value?.files ?? {}));
    } catch (error) {
      // Nothing is lost but time: every file is read once more.
      this.#options.onIndexDamaged?.(error);
      return new Map();
    }
  }
}

function sameEntries(a: ReadonlyMap<string, Known>, b: ReadonlyMap<string, Known>): boolean {
  if (a.size !== b.size) return false;
  for (const [path, known] of a) if (b.get(path)?.stamp !== known.stamp) return false;
  return true;
}

async function hashFile(root: string, file: DataFile): Promise<string> {
  const hash = createHash('sha256');
  let size = 0;
  try {
    if (file.size <= SMALL) {
      const bytes = await readFile(join(root, file.path));
      hash.update(bytes);
      size = bytes.length;
    } else
      for await (const chunk of createReadStream(join(root, file.path), { highWaterMark: 1 << 20 })) {
        hash.update(chunk as Buffer);
        size += (chunk as Buffer).length;
      }
  } catch (cause) {
    throw unreadable(join(root, file.path), cause);
  }
  if (size === file.size) return hash.digest('hex');
  const detail = `${file.size} bytes when it was listed, ${size} when it was read.`;
  throw new ConsiliumError('CLIENT_DATA_CHANGED', detail, { where: join(root, file.path) });
}

function unreadable(path: string, cause: unknown): ConsiliumError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new ConsiliumError('CLIENT_DATA_MISSING', `${path} cannot be read (${reason}).`, { where: path, cause });
}
