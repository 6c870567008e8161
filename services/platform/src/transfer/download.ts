import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { ConsiliumError } from '@consilium/protocol';
import type { Dispatcher } from 'undici';
import { checkDigest, Digester } from '../store/digest.js';
import { answerError, TransferHttp, windowSize } from './http.js';
import { localError, locally, syncFolderOf } from './local-file.js';
import type { DownloadFrom, DownloadOptions } from './types.js';

/** Fresh URLs that are refused one after the other before the refusal is believed. */
const maxRefusals = 2;

/**
 * Fetches an object into a file. A connection that breaks is taken up at the byte where it broke, by another
 * process too: what came lies in `<file>.<digest>.part`. An expired URL is replaced by a fresh one. The file
 * appears under its name when all bytes are there, have the digest and are on the disk. One download a file at
 * a time.
 * @throws STORE_NOT_FOUND, STORE_URL_EXPIRED, STORE_DENIED, STORE_SIZE_MISMATCH, STORE_DIGEST_MISMATCH,
 *   STORE_UNAVAILABLE after `attempts` failures in a row, STORE_DISK_FULL, STORE_LOCAL_FILE; the reason of an abort
 */
export async function downloadToFile(
  from: DownloadFrom,
  file: string,
  options: DownloadOptions,
): Promise<void> {
  checkDigest(options.digest);
  const http = new TransferHttp(options, file);
  const temporary = `${file}.${options.digest.slice(7, 23)}.part`;
  try {
    let resumed = await fetchAll(http, from, file, temporary, options, false);
    // What an earlier process left may be damaged: that alone is worth a second try, from the start.
    if (resumed === 'wrong-leftover') resumed = await fetchAll(http, from, file, temporary, options, true);
    await locally(file, async () => {
      await rename(temporary, file);
      await syncFolderOf(file);
    });
  } finally {
    await http.close();
  }
}

async function fetchAll(
  http: TransferHttp,
  from: DownloadFrom,
  file: string,
  temporary: string,
  options: DownloadOptions,
  anew: boolean,
): Promise<'done' | 'wrong-leftover'> {
  const handle = await locally(temporary, () => open(temporary, anew ? 'w+' : 'a+'));
  const sink = new Sink(handle, temporary);
  try {
    const leftover = await sink.takeUp(options.size);
    await fetchRest(http, from, file, sink, options);
    const actual = sink.digest();
    if (actual !== options.digest) {
      if (leftover > 0) return 'wrong-leftover';
      throw new ConsiliumError(
        'STORE_DIGEST_MISMATCH',
        `Expected ${options.digest}, the bytes have ${actual}.`,
        {
          where: file,
        },
      );
    }
    await locally(temporary, () => handle.sync());
    return 'done';
  } catch (error) {
    // What came is kept only where another try may go on with it.
    if (sink.size === 0 || !isResumable(error)) await rm(temporary, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

async function fetchRest(
  http: TransferHttp,
  from: DownloadFrom,
  file: string,
  sink: Sink,
  options: DownloadOptions,
): Promise<void> {
  const { size, onProgress } = options;
  let url = await urlOf(from);
  let refusals = 0;
  while (sink.size < size) {
    try {
      const end = Math.min(sink.size + windowSize, size);
      const headers = { range: `bytes=${sink.size}-${end - 1}` };
      const answer = await http.request(url, { method: 'GET', headers });
      if (answer.statusCode !== 200 && answer.statusCode !== 206) throw await answerError(answer, file);
      await placeAnswer(answer, sink, size, file);
      try {
        for await (const chunk of answer.body) {
          const bytes = chunk as Uint8Array;
          if (sink.size + bytes.byteLength > size) throw wrongSize(size, 'more', file);
          await sink.write(bytes);
          refusals = 0;
          http.progressed();
          onProgress?.(sink.size, size);
        }
      } catch (error) {
        throw http.broken(error);
      }
      if (sink.size < end)
        throw http.broken(new Error(`the connection ended after ${sink.size} of ${size} bytes`));
    } catch (error) {
      if (isRefusal(error) && 'getUrl' in from && refusals < maxRefusals) {
        refusals++;
        url = await urlOf(from);
        continue;
      }
      await http.pauseAfter(error);
    }
  }
}

/** Checks where the bytes of an answer belong; a server without ranges starts again from the first byte. */
async function placeAnswer(
  answer: Dispatcher.ResponseData,
  sink: Sink,
  size: number,
  file: string,
): Promise<void> {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(String(answer.headers['content-range'] ?? ''));
  const length = answer.headers['content-length'];
  const total = answer.statusCode === 206 ? range?.[2] : length;
  const start = answer.statusCode === 206 ? Number(range?.[1]) : 0;
  try {
    if (total !== undefined && Number(total) !== size) throw wrongSize(size, String(total), file);
    if (start === sink.size) return;
    if (start !== 0) {
      throw new ConsiliumError('STORE_UNAVAILABLE', `Asked for byte ${sink.size}, got byte ${start}.`, {
        where: file,
      });
    }
    await sink.restart();
  } catch (error) {
    answer.body.on('error', () => {}).destroy();
    throw error;
  }
}

/** Neither the object nor its description was found wrong: the network, the disk, a URL, an abort. */
function isResumable(error: unknown): boolean {
  if (!(error instanceof ConsiliumError)) return true;
  return !['STORE_SIZE_MISMATCH', 'STORE_DIGEST_MISMATCH', 'STORE_NOT_FOUND'].includes(error.code);
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof ConsiliumError && (error.code === 'STORE_URL_EXPIRED' || error.code === 'STORE_DENIED')
  );
}

function wrongSize(size: number, actual: string, file: string): ConsiliumError {
  return new ConsiliumError('STORE_SIZE_MISMATCH', `Expected ${size} bytes, the store has ${actual}.`, {
    where: file,
  });
}

async function urlOf(from: DownloadFrom): Promise<string> {
  if ('url' in from) return from.url;
  const got = await from.getUrl();
  return typeof got === 'string' ? got : got.url;
}

/** The bytes so far: in the file and in the hash. */
class Sink {
  readonly #handle: FileHandle;
  readonly #path: string;
  #digester = new Digester();

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  get size(): number {
    return this.#digester.size;
  }

  digest(): string {
    return this.#digester.digest();
  }

  /** Hashes what is there already; more than there can be is thrown away. */
  async takeUp(limit: number): Promise<number> {
    return await locally(this.#path, async () => {
      const { size } = await this.#handle.stat();
      if (size > limit) await this.#handle.truncate(0);
      const buffer = Buffer.allocUnsafe(256 * 1024);
      for (;;) {
        const { bytesRead } = await this.#handle.read(buffer, 0, buffer.byteLength, this.size);
        if (bytesRead === 0) return this.size;
        this.#digester.update(buffer.subarray(0, bytesRead));
      }
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        const { bytesWritten } = await this.#handle.write(bytes, done, bytes.byteLength - done);
        done += bytesWritten;
      }
    } catch (error) {
      throw localError(error, this.#path);
    }
    this.#digester.update(bytes);
  }

  async restart(): Promise<void> {
    await locally(this.#path, () => this.#handle.truncate(0));
    this.#digester = new Digester();
  }
}
