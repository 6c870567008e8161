import { createHash } from 'node:crypto';
import { ConsiliumError } from '@consilium/protocol';
import type { Digest } from './types.js';

const pattern = /^sha256:[0-9a-f]{64}$/;

/** SHA-256 of what is in memory, as lower-case hexadecimal digits; of a text, of its UTF-8 bytes. */
export function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** `sha256:<hex>` of what is in memory. */
export function digestOf(data: string | Uint8Array): Digest {
  return `sha256:${sha256(data)}`;
}

/** @throws STORE_BAD_REQUEST for anything but `sha256:` and 64 lower-case hexadecimal digits. */
export function checkDigest(digest: string): void {
  if (!pattern.test(digest)) {
    throw new ConsiliumError(
      'STORE_BAD_REQUEST',
      `${JSON.stringify(digest.slice(0, 100))} is not a digest of the form sha256:<64 hex digits>.`,
    );
  }
}

/** The same 32 bytes as base64, as S3's checksum header wants them. */
export function digestToBase64(digest: Digest): string {
  checkDigest(digest);
  return Buffer.from(digest.slice(7), 'hex').toString('base64');
}

/** Counts and hashes bytes on their way. */
export class Digester {
  readonly #hash = createHash('sha256');
  size = 0;

  update(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.size += chunk.byteLength;
  }

  /** Can be called once. */
  digest(): Digest {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/** @throws STORE_SIZE_MISMATCH, STORE_DIGEST_MISMATCH */
export function checkContent(
  actual: { readonly size: number; readonly digest: Digest },
  stated: { readonly size?: number | undefined; readonly digest?: Digest | undefined },
  where: string,
): void {
  if (stated.size !== undefined && stated.size !== actual.size)
    throw sizeMismatch(stated.size, actual.size, where);
  if (stated.digest !== undefined && stated.digest !== actual.digest) {
    throw new ConsiliumError(
      'STORE_DIGEST_MISMATCH',
      `Stated ${stated.digest}, but the bytes have ${actual.digest}.`,
      { where },
    );
  }
}

export function sizeMismatch(stated: number, actual: number, where: string): ConsiliumError {
  return new ConsiliumError('STORE_SIZE_MISMATCH', `Stated ${stated} bytes, but there are ${actual}.`, {
    where,
  });
}
