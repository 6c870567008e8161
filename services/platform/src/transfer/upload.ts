import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { ConsiliumError, type ErrorCode } from '@consilium/protocol';
import { checkDigest } from '../store/digest.js';
import type {
  SentPart,
  SignedMultipartUpload,
  SignedPart,
  SignedSingleUpload,
  SignedUpload,
} from '../store/types.js';
import { answerError, TransferHttp } from './http.js';
import { localError, locally } from './local-file.js';
import type { GetUpload, UploadOptions, UploadResult } from './types.js';

const chunkSize = 256 * 1024;
/** Fresh URLs that are refused one after the other before the refusal is believed. */
const maxRefusals = 2;
/** Uploads begun anew, or found to lack parts, in all. */
const maxRepairs = 3;

/**
 * Sends a file to where `getUpload` says, in one request or in parts. Broken connections are tried again, a part
 * at a time; expired URLs are replaced; an upload that the store has dropped is begun anew. A large upload is
 * made visible by `options.complete`.
 * @throws STORE_SIZE_MISMATCH if the file has another size, STORE_DIGEST_MISMATCH if the store finds other bytes,
 *   STORE_URL_EXPIRED, STORE_DENIED, STORE_DISK_FULL, STORE_UNAVAILABLE after `attempts` failures in a row,
 *   STORE_LOCAL_FILE; the reason of an abort
 */
export async function uploadFile(
  file: string,
  getUpload: GetUpload,
  options: UploadOptions,
): Promise<UploadResult> {
  checkDigest(options.digest);
  const handle = await locally(file, () => open(file, 'r'));
  const http = new TransferHttp(options, file);
  try {
    const { size } = await locally(file, () => handle.stat());
    if (size !== options.size) {
      throw new ConsiliumError('STORE_SIZE_MISMATCH', `Stated ${options.size} bytes, the file has ${size}.`, {
        where: file,
      });
    }
    await new Upload(file, handle, http, getUpload, options).run();
    return { alreadyThere: false };
  } catch (error) {
    if (hasCode(error, 'STORE_EXISTS')) return { alreadyThere: true };
    throw error;
  } finally {
    await http.close();
    await handle.close();
  }
}

class Upload {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #http: TransferHttp;
  readonly #getUpload: GetUpload;
  readonly #options: UploadOptions;
  #refusals = 0;
  #repairs = 0;

  constructor(
    file: string,
    handle: FileHandle,
    http: TransferHttp,
    getUpload: GetUpload,
    options: UploadOptions,
  ) {
    this.#file = file;
    this.#handle = handle;
    this.#http = http;
    this.#getUpload = getUpload;
    this.#options = options;
  }

  async run(): Promise<void> {
    let upload = await this.#getUpload({});
    for (;;) {
      const uploadId = upload.kind === 'multipart' ? upload.uploadId : undefined;
      try {
        if (upload.kind === 'single') await this.#sendWhole(upload);
        else await this.#sendParts(upload);
        return;
      } catch (error) {
        upload = await this.#renew(error, uploadId);
      }
    }
  }

  /** Asks for what the error calls for, or throws it. */
  async #renew(error: unknown, uploadId: string | undefined): Promise<SignedUpload> {
    const refused = hasCode(error, 'STORE_URL_EXPIRED', 'STORE_DENIED');
    const gone = uploadId !== undefined && hasCode(error, 'STORE_NO_UPLOAD', 'STORE_NOT_FOUND');
    if (refused) this.#refusals++;
    else if (gone || hasCode(error, 'STORE_UPLOAD_INCOMPLETE')) this.#repairs++;
    else throw error;
    if (this.#refusals > maxRefusals || this.#repairs > maxRepairs) throw error;
    if (gone || uploadId === undefined) return await this.#getUpload({});
    try {
      return await this.#getUpload({ uploadId });
    } catch (renewal) {
      if (!hasCode(renewal, 'STORE_NO_UPLOAD')) throw renewal;
      return await this.#getUpload({});
    }
  }

  async #sendWhole(upload: SignedSingleUpload): Promise<void> {
    await this.#put(upload.url, upload.headers, 0, this.#options.size, 0);
  }

  async #sendParts(upload: SignedMultipartUpload): Promise<void> {
    const { complete, onProgress, size } = this.#options;
    if (complete === undefined) {
      throw new ConsiliumError('STORE_BAD_REQUEST', 'An upload in parts needs somebody to complete it.', {
        where: 'complete',
      });
    }
    checkPlan(upload.parts, size, this.#file);
    const sent = new Map<number, SentPart>();
    let done = 0;
    for (const part of upload.parts) {
      if (!part.done || !(await this.#isWhole(part))) continue;
      sent.set(part.number, { number: part.number, etag: part.etag ?? '' });
      done += part.size;
    }
    onProgress?.(done, size);
    for (const part of upload.parts) {
      if (sent.has(part.number)) continue;
      const etag = await this.#put(part.url, part.headers, part.offset, part.size, done);
      sent.set(part.number, { number: part.number, etag });
      done += part.size;
      this.#refusals = 0;
    }
    await complete(
      upload.uploadId,
      [...sent.values()].sort((a, b) => a.number - b.number),
    );
  }

  /** Whether what the store has is what the file has there; without an etag the store's word counts. */
  async #isWhole(part: SignedPart): Promise<boolean> {
    if (part.etag === undefined) return true;
    const md5 = createHash('md5');
    for await (const bytes of this.#bytes(part.offset, part.size)) md5.update(bytes);
    return md5.digest('hex') === part.etag;
  }

  /** One PUT until it works or fails for good. `before` is what other parts have brought. Gives the etag. */
  async #put(
    url: string,
    headers: Readonly<Record<string, string>>,
    offset: number,
    size: number,
    before: number,
  ): Promise<string> {
    for (;;) {
      let unreadable: ConsiliumError | undefined;
      const body = this.#bytes(offset, size, {
        onSent: (done) => this.#options.onProgress?.(before + done, this.#options.size),
        onUnreadable: (error) => {
          unreadable = error;
        },
      });
      try {
        const answer = await this.#http.request(url, { method: 'PUT', headers, body });
        if (answer.statusCode >= 300) throw await answerError(answer, this.#file);
        // The store has it; what else the answer would say does not matter.
        await answer.body.dump().catch(() => {});
        this.#http.progressed();
        return String(answer.headers.etag ?? '').replace(/^"|"$/g, '');
      } catch (error) {
        if (unreadable !== undefined) throw unreadable;
        await this.#http.pauseAfter(error);
      }
    }
  }

  async *#bytes(
    offset: number,
    size: number,
    on: { onSent?: (done: number) => void; onUnreadable?: (error: ConsiliumError) => void } = {},
  ): AsyncGenerator<Uint8Array, void> {
    try {
      for (let done = 0; done < size; ) {
        const bytes = Buffer.allocUnsafe(Math.min(chunkSize, size - done));
        const { bytesRead } = await this.#handle.read(bytes, 0, bytes.byteLength, offset + done);
        if (bytesRead === 0) throw new Error(`the file ended at byte ${offset + done} while it was sent`);
        done += bytesRead;
        yield bytes.subarray(0, bytesRead);
        on.onSent?.(done);
      }
    } catch (error) {
      const known = localError(error, this.#file);
      on.onUnreadable?.(known);
      throw known;
    }
  }
}

/** The parts must cover the file: what a service sends is not taken on trust. */
function checkPlan(parts: readonly SignedPart[], size: number, file: string): void {
  let at = 0;
  for (const part of parts) {
    if (part.offset !== at) break;
    at += part.size;
  }
  if (at === size) return;
  throw new ConsiliumError('STORE_SIZE_MISMATCH', `The parts cover ${at} of ${size} bytes.`, { where: file });
}

function hasCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof ConsiliumError && codes.includes(error.code);
}
