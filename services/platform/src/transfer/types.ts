import type { Dispatcher } from 'undici';
import type { Digest, SentPart, SignedDownload, SignedUpload } from '../store/types.js';

/** What uploads and downloads share. */
export interface TransferOptions {
  /** Connections: through a CONNECT proxy, with a private CA. The default is a direct one. */
  readonly dispatcher?: Dispatcher;
  readonly signal?: AbortSignal;
  /** Bytes so far and in all. Goes back when a part has to be sent again. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Failed tries in a row without any byte gained before STORE_UNAVAILABLE. Default 8. */
  readonly attempts?: number;
  /** Milliseconds without a byte before a connection is given up. Default 30 s. */
  readonly timeoutMs?: number;
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly onRetry?: (event: { attempt: number; delayMs: number; error: unknown }) => void;
}

export interface DownloadOptions extends TransferOptions {
  readonly digest: Digest;
  readonly size: number;
}

/** A URL, or a way to get one; only the latter survives its expiry. */
export type DownloadFrom =
  | { readonly url: string }
  | { readonly getUrl: () => Promise<string | SignedDownload> };

export interface UploadOptions extends TransferOptions {
  readonly digest: Digest;
  readonly size: number;
  /**
   * Asks the service to complete a multipart upload (`ObjectStore.completeUpload`, with these parts). May throw
   * STORE_EXISTS.
   */
  readonly complete?: (uploadId: string, parts: readonly SentPart[]) => Promise<unknown>;
}

/**
 * Asks the service for URLs (`ObjectStore.signPut`); called again when they expired, then with the upload to go
 * on with. May throw STORE_EXISTS: the object is there.
 */
export type GetUpload = (resume: { readonly uploadId?: string }) => Promise<SignedUpload>;

export interface UploadResult {
  /** Something is at this key already; whether it is the same bytes only the owner of the store can say. */
  readonly alreadyThere: boolean;
}
