import { ConsiliumError } from '@consilium/protocol';

/**
 * The one JSON text of a value (RFC 8785: members sorted by UTF-16 code units, no white space,
 * numbers as ECMAScript writes them), so that a signature does not depend on who serialised it.
 *
 * Members that are `undefined` are left out, as `JSON.stringify` does. Everything that JSON would
 * change or lose without a word is refused instead: NaN and infinities, bigint, functions, holes
 * and `undefined` in arrays, class instances (a Date would become a string), lone surrogates,
 * and integers beyond 2^53 - 1, which other languages would read as another number.
 *
 * @throws ConsiliumError TRUST_NOT_CANONICAL, with the path of the value in `where`.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$', 0);
}

const MAX_DEPTH = 100;
const LONE_SURROGATE = /\p{Surrogate}/u; // with the u flag a proper pair is one code point and does not match

function write(value: unknown, path: string, depth: number): string {
  if (depth > MAX_DEPTH) throw refuse(`Nesting is deeper than ${MAX_DEPTH}.`, path);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return writeString(value, path);
  if (typeof value === 'number') return writeNumber(value, path);
  if (Array.isArray(value)) {
    const items = Array.from({ length: value.length }, (_, i) => write(value[i], `${path}[${i}]`, depth + 1));
    return `[${items.join(',')}]`;
  }
  if (typeof value === 'object') return writeObject(value, path, depth);
  throw refuse(`A value of type ${typeof value} is no JSON.`, path);
}

function writeObject(value: object, path: string, depth: number): string {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw refuse(`An instance of ${value.constructor?.name ?? 'a class'} is no plain object.`, path);
  }
  const members: string[] = [];
  // The default sort compares UTF-16 code units, which is the order of RFC 8785, section 3.2.3.
  for (const [name, member] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (member === undefined) continue;
    const at = `${path}.${name}`;
    members.push(`${writeString(name, at)}:${write(member, at, depth + 1)}`);
  }
  return `{${members.join(',')}}`;
}

function writeString(value: string, path: string): string {
  if (LONE_SURROGATE.test(value)) throw refuse('The text holds half of a surrogate pair.', path);
  return JSON.stringify(value);
}

function writeNumber(value: number, path: string): string {
  if (!Number.isFinite(value)) throw refuse(`${value} is no JSON number.`, path);
  if (Number.isInteger(value) && Math.abs(value) < 1e21 && !Number.isSafeInteger(value)) {
    throw refuse(`The integer ${value} is beyond 2^53 - 1; write it as text.`, path);
  }
  return JSON.stringify(value);
}

function refuse(detail: string, path: string): ConsiliumError {
  return new ConsiliumError('TRUST_NOT_CANONICAL', detail, { where: path });
}
