import { crc32, deflateRawSync } from 'node:zlib';

/** Test support: zip files built by hand, apart from the writer under test, to be damaged at known places. */
export interface FixtureEntry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly deflate?: boolean;
  /** Sizes and CRC left out of the local header and put behind the data, as Python does on a pipe. */
  readonly descriptor?: boolean;
  readonly localExtra?: Uint8Array;
  readonly centralExtra?: Uint8Array;
  readonly comment?: string;
}

export interface Fixture {
  readonly bytes: Uint8Array;
  /** Offsets, by entry: local header, content, end of content, central header. */
  readonly local: readonly number[];
  readonly content: readonly number[];
  readonly contentEnd: readonly number[];
  readonly central: readonly number[];
  readonly directory: number;
  readonly end: number;
}

export function buildZip(entries: readonly FixtureEntry[]): Fixture {
  const parts: Buffer[] = [];
  let offset = 0;
  const add = (...bytes: Uint8Array[]) => {
    for (const part of bytes) {
      parts.push(Buffer.from(part));
      offset += part.length;
    }
  };
  const local: number[] = [];
  const content: number[] = [];
  const contentEnd: number[] = [];
  const central: number[] = [];
  const made = entries.map((entry) => {
    const data = entry.deflate ? deflateRawSync(entry.content) : entry.content;
    const name = Buffer.from(entry.name);
    const flags = (entry.descriptor ? 8 : 0) | (name.some((byte) => byte > 127) ? 0x800 : 0);
    const method = entry.deflate ? 8 : 0;
    const sums = words(crc32(entry.content), data.length, entry.content.length);
    const extra = entry.localExtra ?? new Uint8Array(0);
    local.push(offset);
    add(words(0x04034b50), halves(20, flags, method, 0, 33));
    add(entry.descriptor ? new Uint8Array(12) : sums, halves(name.length, extra.length), name, extra);
    content.push(offset);
    add(data);
    contentEnd.push(offset);
    if (entry.descriptor) add(words(0x08074b50), sums);
    return { name, flags, method, sums };
  });
  const directory = offset;
  for (const [i, { name, flags, method, sums }] of made.entries()) {
    const extra = entries[i]?.centralExtra ?? new Uint8Array(0);
    const comment = Buffer.from(entries[i]?.comment ?? '');
    central.push(offset);
    add(words(0x02014b50), halves(20, 20, flags, method, 0, 33), sums);
    add(
      halves(name.length, extra.length, comment.length, 0, 0),
      words(0, local[i] ?? 0),
      name,
      extra,
      comment,
    );
  }
  const end = offset;
  add(
    words(0x06054b50),
    halves(0, 0, made.length, made.length),
    words(end - directory, directory),
    halves(0),
  );
  return { bytes: new Uint8Array(Buffer.concat(parts)), local, content, contentEnd, central, directory, end };
}

/** Little-endian 32-bit fields. */
export function words(...values: number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32LE(value >>> 0, i * 4);
  });
  return bytes;
}

/** Little-endian 16-bit fields. */
export function halves(...values: number[]): Uint8Array {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, i) => {
    bytes.writeUInt16LE(value, i * 2);
  });
  return bytes;
}

/** A copy with some bytes replaced. */
export function patched(bytes: Uint8Array, at: number, replacement: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy.set(replacement, at);
  return copy;
}

/** An npy array with this header text (a new line is added) and these data. */
export function npyBytes(text: string, data: Uint8Array, version: 1 | 2 | 3 = 1): Uint8Array {
  const header = Buffer.from(`${text}\n`, 'latin1');
  const length = version === 1 ? halves(header.length) : words(header.length);
  return new Uint8Array(
    Buffer.concat([Buffer.from('\x93NUMPY', 'latin1'), Buffer.of(version, 0), length, header, data]),
  );
}

/** An npy array of one dtype, given as NumPy spells it. */
export function npyArray(descr: string, shape: string, data: Uint8Array): Uint8Array {
  return npyBytes(`{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`, data);
}
