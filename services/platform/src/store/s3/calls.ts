import type { S3Client } from '@aws-sdk/client-s3';
import { ConsiliumError, type ErrorCode } from '@consilium/protocol';
import { type StoreSettings, withRetries } from '../retry.js';
import { fromS3Error } from './errors.js';

export interface S3Context {
  readonly client: S3Client;
  readonly settings: StoreSettings;
}

export interface ObjectAt {
  readonly bucket: string;
  readonly key: string;
}

export function whereOf(at: ObjectAt): string {
  return `${at.bucket}/${at.key}`;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onPrecondition?: 'STORE_EXISTS' | 'STORE_PRECONDITION';
}

/** Sends something, translates what is thrown and repeats what may pass. */
export async function call<T>(
  context: S3Context,
  where: string,
  operation: (attempt: number) => Promise<T>,
  options: CallOptions = {},
): Promise<T> {
  return await withRetries(
    where,
    context.settings,
    async (attempt) => {
      try {
        return await operation(attempt);
      } catch (error) {
        throw fromS3Error(error, where, options.onPrecondition);
      }
    },
    options.signal,
  );
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof ConsiliumError && codes.includes(error.code);
}

/** For operations where the absence of the thing is what was wanted. */
export function ignoring(code: ErrorCode, where: string): (error: unknown) => void {
  return (error) => {
    const known = fromS3Error(error, where);
    if (!hasCode(known, code)) throw known;
  };
}

/** An option of the SDK that `exactOptionalPropertyTypes` wants left out rather than undefined. */
export function abortable(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}
