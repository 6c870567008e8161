/** Where the parts of an object of `size` bytes lie; an empty object has none. Numbers start at 1. */
export function* partRanges(
  size: number,
  partSize: number,
): Generator<{ number: number; offset: number; size: number }, void> {
  for (let offset = 0, number = 1; offset < size; offset += partSize, number++) {
    yield { number, offset, size: Math.min(partSize, size - offset) };
  }
}
