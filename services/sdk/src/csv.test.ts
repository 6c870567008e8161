import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { formatCsv, parseCsv, readNumericCsv } from './csv.js';

const folder = mkdtempSync(join(tmpdir(), 'sdk-csv-'));
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

describe('CSV', () => {
  test('understands quotes, doubled quotes, line breaks in quotes and CRLF', () => {
    const records = parseCsv('a,"b ""c"", d"\r\n"two\nlines",e\n\nlast,', 'text');
    assert.deepEqual(
      records.map(({ fields }) => fields),
      [
        ['a', 'b "c", d'],
        ['two\nlines', 'e'],
        ['last', ''],
      ],
    );
    assert.deepEqual(
      records.map(({ line }) => line),
      [1, 2, 5],
    );
  });

  test('that was written is read back as it was', () => {
    const rows = [
      ['plain', 'with,comma'],
      ['with "quotes"', 'two\nlines'],
    ];
    assert.deepEqual(
      parseCsv(formatCsv(undefined, rows), 'text').map(({ fields }) => fields),
      rows,
    );
  });

  test('with damaged quotes is refused with the line', () => {
    assert.throws(() => parseCsv('a\nb,"open', 'f.csv'), { code: 'SDK_BAD_CSV', where: 'f.csv:2' });
    assert.throws(() => parseCsv('"a"b', 'f.csv'), { code: 'SDK_BAD_CSV', where: 'f.csv:1' });
  });

  test('of numbers is read from plain and gzip files', () => {
    const plain = readNumericCsv(file('n.csv', 'x,y\n1,2.5\n-3e2,0\n'));
    assert.deepEqual(
      [plain.header, plain.rows, plain.columns, [...plain.values]],
      [['x', 'y'], 2, 2, [1, 2.5, -300, 0]],
    );
    const packed = readNumericCsv(file('n.csv.gz', gzipSync('4,5\n6,7\n')), { header: false });
    assert.deepEqual([...packed.values], [4, 5, 6, 7]);
  });

  test('of numbers names the line and the column of what is none', () => {
    assert.throws(
      () => readNumericCsv(file('bad.csv', 'x,y\n1,2\n3,abc\n')),
      /"abc" in column y is no number.*bad\.csv:3/,
    );
    assert.throws(() => readNumericCsv(file('gap.csv', 'x,y\n1,\n')), { code: 'SDK_BAD_CSV' });
    assert.throws(() => readNumericCsv(file('short.csv', 'x,y\n1\n')), /1 fields, 2 are due.*short\.csv:2/);
    assert.throws(() => readNumericCsv(file('empty.csv', 'x,y\n')), /no rows/);
  });

  test('that is not there is named', () => {
    assert.throws(() => readNumericCsv(join(folder, 'none.csv')), { code: 'SDK_DATA_MISSING' });
  });
});
