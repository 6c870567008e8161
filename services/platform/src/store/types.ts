import type { Dispatcher } from 'undici';

/** `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = string;

/** What the store knows of one object. */
export interface ObjectInfo {
  readonly bucket: string;
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Opaque version tag of the content, without quotes; goes into `ifMatch`. */
  readonly etag: string;
  /**
   * Absent where the store was never told it: an S3 object streamed in without a stated digest. On S3
   * it repeats what the writer stated; only the bytes prove it.
   */
  readonly digest?: Digest;
  /** Milliseconds since 1970. */
  readonly modified: number;
  readonly contentType?: string;
}

/** One line of a listing. */
export interface ObjectEntry {
  readonly key: string;
  readonly size: number;
  readonly modified: number;
}

export interface PutOptions {
  /** Bytes. Checked while streaming: STORE_SIZE_MISMATCH, and nothing becomes visible. */
  readonly size?: number;
  /** Checked before the object becomes visible: STORE_DIGEST_MISMATCH. */
  readonly digest?: Digest;
  /** Refuse to replace: STORE_EXISTS. Of several writers at once exactly one wins. */
  readonly writeOnce?: boolean;
  /** Replace only the object that has this etag: STORE_PRECONDITION, also when there is none. */
  readonly ifMatch?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export interface PutResult {
  readonly digest: Digest;
  readonly size: number;
  readonly etag: string;
}

export interface GetOptions {
  /** First byte; 0 if left out. At or past the end of a non-empty object: STORE_BAD_RANGE. */
  readonly offset?: number;
  /** At most this many bytes; to the end if left out. */
  readonly length?: number;
  readonly signal?: AbortSignal;
}

/** An open object. `body` can be read once; stop early with `break`, or call `cancel` if it is not read. */
export interface ObjectRead {
  readonly info: ObjectInfo;
  /** A broken connection is resumed at the byte where it broke, from the same version of the object. */
  readonly body: AsyncIterable<Uint8Array>;
  cancel(): void;
}

/** One URL to PUT the whole object to, with exactly these headers besides the body. */
export interface SignedSingleUpload {
  readonly kind: 'single';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export interface SignedPart {
  /** From 1. */
  readonly number: number;
  readonly offset: number;
  readonly size: number;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The store says that it has this part (a resumed upload). With an `etag` that is to be proved: versitygw 1.8
   * keeps a part whose connection broke as if it were whole, so a part whose MD5 differs is sent again.
   */
  readonly done?: boolean;
  readonly etag?: string;
}

/** URLs for the parts of a large object. A service completes it with `completeUpload`. */
export interface SignedMultipartUpload {
  readonly kind: 'multipart';
  readonly uploadId: string;
  /** Bytes of every part but the last. */
  readonly partSize: number;
  readonly parts: readonly SignedPart[];
  readonly expiresAt: number;
}

/** Plain JSON, so that a service can hand it to a client in a message. */
export type SignedUpload = SignedSingleUpload | SignedMultipartUpload;

/** A download URL and when it ends. Plain JSON. */
export interface SignedDownload {
  readonly url: string;
  readonly expiresAt: number;
}

export interface UploadRequest {
  /** Bytes, covered by the signature. */
  readonly size: number;
  /** Covered by the signature; the store refuses other bytes in a single PUT. */
  readonly digest: Digest;
  /** Default true: `If-None-Match: *` is part of what is signed. */
  readonly writeOnce?: boolean;
  /** Sign the parts of this unfinished upload again (URLs expired, or the client restarted). */
  readonly uploadId?: string;
  readonly contentType?: string;
}

export interface CompleteRequest {
  readonly uploadId: string;
  readonly size: number;
  readonly digest: Digest;
  /** Default true. */
  readonly writeOnce?: boolean;
  /** What the sender knows of its parts; a part that differs in the store is STORE_UPLOAD_INCOMPLETE. */
  readonly parts?: readonly SentPart[];
}

/** A part as the store acknowledged it. */
export interface SentPart {
  readonly number: number;
  readonly etag: string;
}

/**
 * The one object store that services see. Every call checks names first (STORE_BAD_NAME), retries what is
 * transient with backoff and jitter, then throws STORE_UNAVAILABLE. Other errors are ConsiliumErrors with a
 * STORE_ code as noted at each call, STORE_DENIED, STORE_NO_BUCKET and STORE_DISK_FULL anywhere.
 */
export interface ObjectStore {
  /** Creates the buckets that are missing. */
  ensureBuckets(buckets: readonly string[]): Promise<void>;
  /**
   * Proves with a throw-away object in `bucket` that write-once holds, single and multipart.
   * @throws STORE_NO_CONDITIONAL_WRITES
   */
  probe(bucket: string): Promise<void>;
  /**
   * Streams an object in; memory is bounded by two parts. Nothing becomes visible unless all of it arrived.
   * @throws STORE_EXISTS, STORE_PRECONDITION, STORE_DIGEST_MISMATCH, STORE_SIZE_MISMATCH, STORE_TOO_LARGE
   */
  put(
    bucket: string,
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    options?: PutOptions,
  ): Promise<PutResult>;
  /** @throws STORE_NOT_FOUND, STORE_BAD_RANGE; while reading, STORE_PRECONDITION if it was replaced. */
  get(bucket: string, key: string, options?: GetOptions): Promise<ObjectRead>;
  /** @throws STORE_NOT_FOUND */
  head(bucket: string, key: string): Promise<ObjectInfo>;
  /** Every object whose key starts with `prefix`, in code-point order of keys; pages are fetched as needed. */
  list(bucket: string, prefix?: string): AsyncIterable<ObjectEntry>;
  /** No error if there is no such object. */
  delete(bucket: string, key: string): Promise<void>;
  /** A GET URL for the public endpoint. Does not look whether the object exists. */
  signGet(bucket: string, key: string, ttlSeconds: number): Promise<SignedDownload>;
  /**
   * PUT URLs for the public endpoint: one, or one a part above the multipart threshold.
   * @throws STORE_EXISTS for a multipart write-once upload of an object that is there (a single PUT answers
   *   412 by itself), STORE_NO_UPLOAD for an unknown `uploadId`
   */
  signPut(bucket: string, key: string, request: UploadRequest, ttlSeconds: number): Promise<SignedUpload>;
  /**
   * Makes a multipart upload visible. Safe to repeat: an upload that was completed with the same bytes
   * answers the same again. On S3 the digest is recorded, not verified: the reader verifies.
   * @throws STORE_EXISTS, STORE_UPLOAD_INCOMPLETE, STORE_NO_UPLOAD, STORE_SIZE_MISMATCH, STORE_DIGEST_MISMATCH
   */
  completeUpload(bucket: string, key: string, request: CompleteRequest): Promise<ObjectInfo>;
  /** Drops an unfinished upload; no error if there is none. */
  abortUpload(bucket: string, key: string, uploadId: string): Promise<void>;
  /** Ends the connections. Calls in progress may fail. */
  close(): Promise<void>;
}

export interface S3Config {
  readonly kind: 's3';
  /** The address that services use, e.g. `http://minio:9000`. */
  readonly endpoint: string;
  /** The address that clients use and URLs are signed for; `endpoint` if left out. */
  readonly publicEndpoint?: string;
  /** Default `us-east-1`. */
  readonly region?: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Default true: the bucket is the first part of the path. */
  readonly forcePathStyle?: boolean;
  /** PEM of certificate authorities to trust besides the usual ones. */
  readonly ca?: string;
}

export interface FilesystemConfig {
  readonly kind: 'filesystem';
  /** The address of the store server that services use. */
  readonly url: string;
  /** The address that clients use and URLs are signed for; `url` if left out. */
  readonly publicUrl?: string;
  /** The service credential: a secret of at least 32 characters that the store server has too. */
  readonly key: string;
}

export type StoreConfig = S3Config | FilesystemConfig;

/** Limits, retries, time and randomness; all have defaults. */
export interface StoreDeps {
  /** Objects above this many bytes go in parts. Default 16 MiB. */
  readonly multipartThreshold?: number;
  /** Bytes a part, at least 5 MiB (S3's minimum). Default 8 MiB; grows where 10,000 parts would not do. */
  readonly partSize?: number;
  /** Tries of one request before STORE_UNAVAILABLE. Default 8, about ten seconds. */
  readonly attempts?: number;
  /** Milliseconds without a byte before a request is given up and tried again. Default 30 s. */
  readonly timeoutMs?: number;
  readonly now?: () => number;
  /** Uniform in [0, 1), for jitter. */
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Told of every failed try that will be repeated. */
  readonly onRetry?: (event: RetryEvent) => void;
  /** HTTP connections of the filesystem adapter. */
  readonly dispatcher?: Dispatcher;
}

export interface RetryEvent {
  readonly what: string;
  /** The try that failed, from 1. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly error: unknown;
}

/**
 * Bytes at any offset, or forward once. The same shape as `StreamableSource` of `@consilium/tensor`, so an
 * object or file goes straight into its readers. `read` gives exactly `length` bytes or rejects.
 */
export interface StoredSource {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  stream(offset?: number, length?: number): AsyncIterable<Uint8Array>;
  /** Fills `target` from `offset` on: saves an allocation and a copy for every read. */
  readInto(offset: number, target: Uint8Array): Promise<void>;
}
