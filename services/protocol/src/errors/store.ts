import { defineErrors, exitCodes, kinds } from './spec.js';

export const storeErrors = defineErrors({
  STORE_NOT_FOUND: kinds.notFound(
    'The object does not exist.',
    'Check the bucket and key; a retention rule may have removed it.',
  ),
  STORE_NO_BUCKET: kinds.notFound(
    'The bucket does not exist.',
    'Create the bucket, or give the service a credential that may create it.',
  ),
  STORE_EXISTS: kinds.precondition(
    'The object is written once and is already there.',
    'Compare digests: the same bytes need no second upload, other bytes need another key.',
  ),
  STORE_PRECONDITION: kinds.precondition(
    'The object has changed since it was read.',
    'Read it again and repeat the change on what it says now.',
  ),
  STORE_DIGEST_MISMATCH: kinds.integrity(
    'The bytes do not have the stated SHA-256 digest.',
    'Send or fetch the object again; if it recurs, the file or the store is damaged.',
  ),
  STORE_SIZE_MISMATCH: kinds.integrity(
    'The object does not have the stated size.',
    'Send or fetch the object again; state the size that the file has.',
  ),
  STORE_UNAVAILABLE: kinds.unavailable(
    'The object store cannot be reached or does not answer as it should.',
    'Check the address, the network and the proxy settings; services retry by themselves.',
  ),
  STORE_BAD_URL: kinds.badInput(
    'The address of an object or of the object store is not valid.',
    'Use s3://key:secret@host:port, https://host or a URL as it was signed, unchanged.',
  ),
  STORE_BAD_CONFIG: kinds.badInput(
    'The object store is not configured rightly.',
    'Correct the named setting.',
  ),
  STORE_BAD_REQUEST: kinds.badInput(
    'The object store does not understand the request.',
    'Use a client and a store server of the same version.',
  ),
  STORE_URL_EXPIRED: kinds.denied(
    'The signed URL has expired.',
    'Ask for a fresh one; if it is fresh, check the clocks of both machines.',
  ),
  STORE_DENIED: kinds.denied(
    'The object store refuses the request.',
    'Check the credential and its permissions; a signed URL is good for one method, object and host name only.',
  ),
  STORE_DISK_FULL: {
    message: 'There is no space left for the object.',
    fix: 'Free space or enlarge the disk; nothing of the object was kept.',
    http: 507,
    exit: exitCodes.unavailable,
  },
  STORE_BAD_NAME: kinds.badInput(
    'The name of a bucket or object is not allowed.',
    'Buckets: 3 to 63 of a-z, 0-9 and -. Keys: parts of at most 200 bytes joined by /, without control characters.',
  ),
  STORE_BAD_RANGE: {
    message: 'The byte range lies outside the object.',
    fix: 'Ask for bytes below the size of the object.',
    http: 416,
    exit: exitCodes.badInput,
  },
  STORE_TOO_LARGE: kinds.tooLarge(
    'The object is larger than the store takes.',
    'Split it, or raise the part size.',
  ),
  STORE_NO_UPLOAD: kinds.notFound(
    'There is no such multipart upload.',
    'Start the upload anew; unfinished uploads are removed after some days.',
  ),
  STORE_UPLOAD_INCOMPLETE: kinds.conflict(
    'A multipart upload lacks parts.',
    'Send the missing parts, then complete it.',
  ),
  STORE_NO_CONDITIONAL_WRITES: kinds.badInput(
    'The object store ignores conditional writes, so it could overwrite the model trail.',
    'Use a store that honours If-None-Match: MinIO, versitygw 1.8, AWS S3, or the filesystem store.',
  ),
  STORE_ROOT_IN_USE: kinds.conflict(
    'Another store server already serves this folder.',
    'Stop the other one first, or give this one a folder of its own.',
  ),
  STORE_LOCAL_FILE: kinds.badInput(
    'A local file cannot be read or written.',
    'Check the path, its permissions and the free space.',
  ),
});
