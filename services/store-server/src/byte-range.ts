import { ConsiliumError } from '@consilium/protocol';

/** First byte and number of bytes to send. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
  readonly partial: boolean;
}

/**
 * One range of a Range header: `bytes=a-`, `bytes=a-b` or `bytes=-n`. Anything else asks for all of it, as RFC
 * 9110 says of ranges that are not understood. A range from byte 0 of an empty object is the empty object.
 * @throws STORE_BAD_RANGE
 */
export function byteRange(header: string | undefined, size: number, where: string): ByteRange {
  const all = { offset: 0, length: size, partial: false };
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return all;
  const [, first = '', last = ''] = match;
  if (first === '') {
    const length = Math.min(Number(last), size);
    if (length === 0 && size > 0) throw badRange(header, size, where);
    return size === 0 ? all : { offset: size - length, length, partial: true };
  }
  const offset = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (size === 0 && offset === 0) return all;
  if (offset >= size || (last !== '' && Number(last) < offset)) throw badRange(header, size, where);
  return { offset, length: end - offset + 1, partial: true };
}

function badRange(header: string | undefined, size: number, where: string): ConsiliumError {
  return new ConsiliumError('STORE_BAD_RANGE', `${header} of an object of ${size} bytes.`, { where });
}
