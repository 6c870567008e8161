import { ConsiliumError } from '@consilium/protocol';

/** @throws STORE_BAD_RANGE for negative, fractional or unsafe numbers. */
export function rangeOf(
  options: { readonly offset?: number; readonly length?: number },
  where: string,
): { offset: number; length: number | undefined } {
  const offset = options.offset ?? 0;
  const { length } = options;
  if (!isCount(offset) || (length !== undefined && !isCount(length))) {
    throw new ConsiliumError(
      'STORE_BAD_RANGE',
      `Offset ${offset} and length ${length} are not whole numbers ≥ 0.`,
      {
        where,
      },
    );
  }
  return { offset, length };
}

/** Nothing for the whole object. `length` must not be 0: HTTP has no way to say it. */
export function rangeHeader(offset: number, length: number | undefined): string | undefined {
  if (offset === 0 && length === undefined) return undefined;
  return length === undefined ? `bytes=${offset}-` : `bytes=${offset}-${offset + length - 1}`;
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}
