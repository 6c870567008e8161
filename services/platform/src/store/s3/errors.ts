import { ConsiliumError, type ErrorCode } from '@consilium/protocol';

/** Codes of S3 and of the servers that speak it. The status decides where a code is not here. */
const byName: Readonly<Record<string, ErrorCode>> = {
  NoSuchKey: 'STORE_NOT_FOUND',
  NotFound: 'STORE_NOT_FOUND',
  NoSuchBucket: 'STORE_NO_BUCKET',
  NoSuchUpload: 'STORE_NO_UPLOAD',
  InvalidRange: 'STORE_BAD_RANGE',
  EntityTooLarge: 'STORE_TOO_LARGE',
  BadDigest: 'STORE_DIGEST_MISMATCH',
  InvalidDigest: 'STORE_DIGEST_MISMATCH',
  XAmzContentSHA256Mismatch: 'STORE_DIGEST_MISMATCH',
  XAmzContentChecksumMismatch: 'STORE_DIGEST_MISMATCH',
  InvalidPart: 'STORE_UPLOAD_INCOMPLETE',
  InvalidPartOrder: 'STORE_UPLOAD_INCOMPLETE',
  EntityTooSmall: 'STORE_UPLOAD_INCOMPLETE',
  KeyTooLongError: 'STORE_BAD_NAME',
  InvalidBucketName: 'STORE_BAD_NAME',
  XMinioInvalidObjectName: 'STORE_BAD_NAME',
  XMinioParentIsObject: 'STORE_BAD_NAME',
  ObjectParentIsFile: 'STORE_BAD_NAME',
  ExistingObjectIsDirectory: 'STORE_BAD_NAME',
  XMinioStorageFull: 'STORE_DISK_FULL',
  QuotaExceeded: 'STORE_DISK_FULL',
  InsufficientStorage: 'STORE_DISK_FULL',
  IncompleteBody: 'STORE_UNAVAILABLE',
  RequestTimeout: 'STORE_UNAVAILABLE',
  SlowDown: 'STORE_UNAVAILABLE',
  OperationAborted: 'STORE_UNAVAILABLE',
  ConditionalRequestConflict: 'STORE_UNAVAILABLE',
};

interface SdkError {
  readonly name?: string;
  readonly message?: string;
  readonly Code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/**
 * What the SDK threw as one of our errors. `onPrecondition` is what a 412 means for the request at hand. An
 * abort by the caller is handed through as it is.
 */
export function fromS3Error(
  error: unknown,
  where: string,
  onPrecondition: 'STORE_EXISTS' | 'STORE_PRECONDITION' = 'STORE_PRECONDITION',
): Error {
  if (error instanceof ConsiliumError) return error;
  const sdk = (typeof error === 'object' && error !== null ? error : {}) as SdkError;
  if (sdk.name === 'AbortError') return error as Error;
  const status = sdk.$metadata?.httpStatusCode;
  const code = codeOf(sdk, status, onPrecondition);
  const answer = status === undefined ? '' : ` (HTTP ${status})`;
  const text = `${sdk.name ?? 'Error'}: ${sdk.message || 'no message'}${answer}.`;
  return new ConsiliumError(code, text, { where, cause: error });
}

function codeOf(sdk: SdkError, status: number | undefined, onPrecondition: ErrorCode): ErrorCode {
  if (status === 412) return onPrecondition;
  const known = byName[sdk.name ?? ''] ?? byName[sdk.Code ?? ''];
  if (known !== undefined) return known;
  if (status === undefined || status === 408 || status === 429) return 'STORE_UNAVAILABLE';
  if (status === 507) return 'STORE_DISK_FULL';
  if (status >= 500) return 'STORE_UNAVAILABLE';
  if (status === 401 || status === 403) return 'STORE_DENIED';
  if (status === 404) return 'STORE_NOT_FOUND';
  if (status === 416) return 'STORE_BAD_RANGE';
  // A conflict that S3 has no name for: another request on the same key was quicker.
  if (status === 409) return 'STORE_UNAVAILABLE';
  // 2xx with a body that makes no sense, or a redirect: not an S3 server, or a proxy in between.
  if (status < 400) return 'STORE_UNAVAILABLE';
  return 'STORE_BAD_REQUEST';
}
