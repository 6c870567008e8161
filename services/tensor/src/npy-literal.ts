import { ConsiliumError } from '@consilium/protocol/errors';

/** What the header of an npy array may hold. `structured` stands for a descr that is a list of fields. */
export type LiteralValue =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'tuple'; readonly value: readonly number[] }
  | { readonly kind: 'structured' };

/**
 * Parses the Python dict literal of an npy header: string keys; strings without escapes, True, False and
 * tuples of non-negative integers as values; nothing is evaluated. A list value is recognised (that is how
 * structured dtypes are written) and ends the parse. Throws NPZ_NPY_HEADER with the position.
 */
export function parseLiteral(text: string, where: string): ReadonlyMap<string, LiteralValue> {
  return new LiteralParser(text, where).dict();
}

class LiteralParser {
  readonly #text: string;
  readonly #where: string;
  #at = 0;

  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
  }

  dict(): ReadonlyMap<string, LiteralValue> {
    const entries = new Map<string, LiteralValue>();
    this.#expect('{');
    while (!this.#take('}')) {
      const key = this.#string();
      if (entries.has(key)) throw this.#fail(`the key ${JSON.stringify(key)} comes twice`);
      this.#expect(':');
      const value = this.#value();
      entries.set(key, value);
      // The rest cannot be told apart without parsing field lists, and the dtype is refused in any case.
      if (value.kind === 'structured') return entries;
      if (this.#take(',')) continue;
      this.#expect('}');
      break;
    }
    this.#space();
    if (this.#at < this.#text.length) throw this.#fail('there is text after the dict');
    return entries;
  }

  #value(): LiteralValue {
    this.#space();
    const next = this.#text[this.#at];
    if (next === "'" || next === '"') return { kind: 'string', value: this.#string() };
    if (next === '(') return { kind: 'tuple', value: this.#tuple() };
    if (next === '[') return { kind: 'structured' };
    if (this.#word('True')) return { kind: 'boolean', value: true };
    if (this.#word('False')) return { kind: 'boolean', value: false };
    throw this.#fail('a string, True, False or a tuple is expected');
  }

  #string(): string {
    this.#space();
    const mark = this.#text[this.#at];
    if (mark !== "'" && mark !== '"') throw this.#fail('a quoted string is expected');
    const end = this.#text.indexOf(mark, this.#at + 1);
    const value = end === -1 ? '' : this.#text.slice(this.#at + 1, end);
    if (end === -1 || value.includes('\n')) throw this.#fail('a string does not end');
    if (value.includes('\\')) throw this.#fail('a string holds an escape');
    this.#at = end + 1;
    return value;
  }

  #tuple(): number[] {
    const values: number[] = [];
    let commas = 0;
    this.#expect('(');
    while (!this.#take(')')) {
      values.push(this.#integer());
      if (this.#take(',')) {
        commas++;
        continue;
      }
      this.#expect(')');
      break;
    }
    // `(3)` is a number in Python, not a tuple.
    if (values.length === 1 && commas === 0) throw this.#fail('a tuple of one lacks its comma');
    return values;
  }

  #integer(): number {
    this.#space();
    let end = this.#at;
    while (end < this.#text.length && this.#text[end]! >= '0' && this.#text[end]! <= '9') end++;
    const digits = this.#text.slice(this.#at, end);
    if (digits === '') throw this.#fail('a whole number >= 0 is expected');
    if (digits.length > 1 && digits.startsWith('0')) throw this.#fail('a number starts with 0');
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) throw this.#fail('a number is too large');
    // NumPy under Python 2 wrote long integers as `3L`.
    this.#at = this.#text[end] === 'L' ? end + 1 : end;
    return value;
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #take(mark: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#take(mark)) throw this.#fail(`${JSON.stringify(mark)} is expected`);
  }

  #space(): void {
    while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\n') this.#at++;
  }

  #fail(what: string): ConsiliumError {
    const near = JSON.stringify(this.#text.slice(this.#at, this.#at + 24));
    return new ConsiliumError('NPZ_NPY_HEADER', `At character ${this.#at}, ${what}; there is ${near}.`, {
      where: this.#where,
    });
  }
}
