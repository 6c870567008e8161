import { ConsiliumError } from '@consilium/protocol';

const bucketPattern = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
/** Leaves room for suffixes of tools that copy a bucket to a disk, where names end at 255 bytes. */
const maxSegmentBytes = 200;
/** S3's limit. */
const maxKeyBytes = 1024;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const forbidden = /[\u0000-\u001f\u007f\\]/;

/**
 * Accepts the bucket names that every S3 and every file system takes: 3 to 63 of a-z, 0-9 and `-`.
 * @throws STORE_BAD_NAME
 */
export function checkBucket(bucket: string): void {
  if (!bucketPattern.test(bucket)) throw badName(`The bucket name ${JSON.stringify(bucket)} is not valid.`);
}

/**
 * Accepts keys that name one file below a folder on any system: parts joined by `/`, none of them empty, `.` or
 * `..`, none longer than 200 bytes, no control characters, no backslash, no lone surrogates; 1024 bytes in all.
 * @throws STORE_BAD_NAME
 */
export function checkKey(key: string): void {
  const shown = JSON.stringify(key.length > 120 ? `${key.slice(0, 120)}…` : key);
  if (key === '') throw badName('The key is empty.');
  if (/\p{Cs}/u.test(key)) throw badName(`The key ${shown} is not valid Unicode.`);
  if (forbidden.test(key)) throw badName(`The key ${shown} has a control character or a backslash.`);
  const bytes = Buffer.byteLength(key);
  if (bytes > maxKeyBytes) throw badName(`The key ${shown} has ${bytes} bytes, more than ${maxKeyBytes}.`);
  for (const segment of key.split('/')) {
    if (segment === '') throw badName(`The key ${shown} has an empty part.`);
    if (segment === '.' || segment === '..') throw badName(`The key ${shown} has a part "${segment}".`);
    if (Buffer.byteLength(segment) > maxSegmentBytes) {
      throw badName(`The key ${shown} has a part of more than ${maxSegmentBytes} bytes.`);
    }
  }
}

/** @throws STORE_BAD_NAME */
export function checkName(bucket: string, key: string): void {
  checkBucket(bucket);
  checkKey(key);
}

/** The path of an object in a URL, every part percent-encoded as RFC 3986 says (and S3 signs). */
export function objectPath(bucket: string, key: string): string {
  return `/${bucket}/${key.split('/').map(encodePart).join('/')}`;
}

/** RFC 3986 unreserved characters stay, all else is percent-encoded. */
export function encodePart(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function badName(detail: string): ConsiliumError {
  return new ConsiliumError('STORE_BAD_NAME', detail);
}
