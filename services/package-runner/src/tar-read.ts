import { createGunzip } from 'node:zlib';
import { ConsiliumError } from '@consilium/protocol';
import { Header } from 'tar';
import { checkMemberPath } from './member-path.js';
import type { PackageLimits } from './package-files.js';
import { formatSize } from './units.js';

export interface ReadMember {
  readonly path: string;
  readonly executable: boolean;
  readonly content: Buffer;
}

const block = 512;

/**
 * Reads a foreign package.tgz, member by member. It accepts exactly what `writeTar` could have made
 * (plus folders) and refuses the rest before anything of a member is used: tar extensions that give
 * a second name to a member are where parsers disagree.
 *
 * @throws ConsiliumError PKG_NOT_GZIP, PKG_TRUNCATED, PKG_NOT_TAR, PKG_PATH_*, PKG_LINK,
 *   PKG_SPECIAL_FILE, PKG_TOO_MANY_FILES, PKG_TOO_LARGE, PKG_BOMB
 */
export async function* readArchive(archive: Uint8Array, limits: PackageLimits): AsyncGenerator<ReadMember> {
  const source = new BlockReader(inflate(archive, limits));
  let files = 0;
  for (;;) {
    const raw = await source.take(block);
    if (raw === undefined) throw new ConsiliumError('PKG_TRUNCATED', 'The tar file has no end mark.');
    if (raw.every((byte) => byte === 0)) return source.expectZeros();
    const header = parseHeader(raw);
    const path = header.path ?? '';
    const size = header.size ?? 0;
    refuseSpecial(header, path, limits);
    if (header.type === 'Directory') {
      checkMemberPath(path.replace(/\/$/, ''), limits);
      continue;
    }
    checkMemberPath(path, limits);
    files += 1;
    if (files > limits.files) {
      throw new ConsiliumError('PKG_TOO_MANY_FILES', `At most ${limits.files} are allowed.`, { where: path });
    }
    if (size > limits.unpacked) {
      const detail = `A file claims ${formatSize(size)}; at most ${formatSize(limits.unpacked)} are allowed.`;
      throw new ConsiliumError('PKG_TOO_LARGE', detail, { where: path });
    }
    const content = await source.take(size);
    const padding = await source.take((block - (size % block)) % block);
    if (content === undefined || padding === undefined) {
      throw new ConsiliumError('PKG_TRUNCATED', 'The file is cut off.', { where: path });
    }
    yield { path, content, executable: ((header.mode ?? 0) & 0o100) !== 0 };
  }
}

function parseHeader(raw: Buffer): Header {
  try {
    const header = new Header(raw, 0);
    if (
      header.cksumValid &&
      header.path !== undefined &&
      Number.isSafeInteger(header.size ?? 0) &&
      (header.size ?? 0) >= 0
    ) {
      return header;
    }
  } catch {
    // Falls through to the one error for every kind of nonsense.
  }
  throw new ConsiliumError('PKG_NOT_TAR', 'A header is not valid.');
}

function refuseSpecial(header: Header, path: string, limits: PackageLimits): void {
  const where = JSON.stringify(path.slice(0, 120));
  const { type } = header;
  if (type === 'File' || type === 'OldFile' || type === 'Directory') return;
  if (type === 'SymbolicLink' || type === 'Link') {
    throw new ConsiliumError(
      'PKG_LINK',
      `It points to ${JSON.stringify((header.linkpath ?? '').slice(0, 120))}.`,
      { where },
    );
  }
  if (type === 'NextFileHasLongPath' || type === 'NextFileHasLongLinkpath' || type === 'OldGnuLongPath') {
    throw new ConsiliumError('PKG_PATH_TOO_LONG', `It has more than ${limits.path} bytes.`, { where });
  }
  throw new ConsiliumError('PKG_SPECIAL_FILE', `It is of type ${type}.`, { where });
}

async function* inflate(archive: Uint8Array, limits: PackageLimits): AsyncGenerator<Buffer> {
  if (archive[0] !== 0x1f || archive[1] !== 0x8b) {
    throw new ConsiliumError('PKG_NOT_GZIP', 'It does not begin with 1f 8b.');
  }
  const gunzip = createGunzip({ chunkSize: 65_536 });
  gunzip.end(archive);
  // Tar's own overhead per file, and small archives that compress well, must not look like bombs.
  const allowance = 2 ** 20;
  const most = limits.unpacked + limits.files * 2 * block;
  let total = 0;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      total += chunk.length;
      if (total > allowance + archive.length * limits.ratio) {
        throw new ConsiliumError(
          'PKG_BOMB',
          `It is more than ${limits.ratio} times larger inside than outside.`,
        );
      }
      if (total > most) {
        throw new ConsiliumError('PKG_TOO_LARGE', `It holds more than ${formatSize(limits.unpacked)}.`);
      }
      yield chunk;
    }
  } catch (error) {
    if (error instanceof ConsiliumError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR')
      throw new ConsiliumError('PKG_TRUNCATED', 'The gzip data is cut off.', { cause: error });
    throw new ConsiliumError('PKG_NOT_GZIP', `${message}.`, { cause: error });
  } finally {
    gunzip.destroy();
  }
}

/** Exact numbers of bytes out of a stream of chunks. */
class BlockReader {
  readonly #source: AsyncGenerator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncGenerator<Buffer>) {
    this.#source = source;
  }

  /** The next `size` bytes, or undefined when the stream ends before. */
  async take(size: number): Promise<Buffer | undefined> {
    if (size === 0) return Buffer.alloc(0);
    const chunks = [this.#rest];
    let length = this.#rest.length;
    while (length < size) {
      const next = await this.#source.next();
      if (next.done === true) return undefined;
      chunks.push(next.value);
      length += next.value.length;
    }
    const all = Buffer.concat(chunks, length);
    this.#rest = all.subarray(size);
    return all.subarray(0, size);
  }

  /** After the end mark only zeros may follow; the stream is read to its end, so its checksum counts. */
  async expectZeros(): Promise<void> {
    let chunk: Buffer | undefined = this.#rest;
    while (chunk !== undefined) {
      if (chunk.some((byte) => byte !== 0))
        throw new ConsiliumError('PKG_NOT_TAR', 'Data follows the end mark.');
      const next: IteratorResult<Buffer> = await this.#source.next();
      chunk = next.done === true ? undefined : next.value;
    }
  }
}
