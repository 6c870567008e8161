import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { ConsiliumError } from '@consilium/protocol/errors';

/** One record of a CSV file and the line it starts on, from 1. */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/**
 * Parses CSV as RFC 4180 has it: quotes, doubled quotes, line breaks inside quotes, CRLF or LF. Empty
 * lines are left out.
 *
 * @throws ConsiliumError SDK_BAD_CSV for a quote that is not closed, or text after a closing one
 */
export function parseCsv(text: string, where: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const fields: string[] = [];
    const first = line;
    for (let more = true; more; ) {
      let field = '';
      if (text[at] === '"') {
        at++;
        for (let open = true; open; ) {
          const end = text.indexOf('"', at);
          if (end < 0)
            throw new ConsiliumError('SDK_BAD_CSV', 'A quote is not closed.', { where: `${where}:${first}` });
          field += text.slice(at, end);
          at = end + 1;
          open = text[at] === '"';
          if (open) {
            field += '"';
            at++;
          }
        }
        line += field.split('\n').length - 1;
        if (at < text.length && !',\r\n'.includes(text[at] as string)) {
          throw new ConsiliumError('SDK_BAD_CSV', 'Text follows a closing quote.', {
            where: `${where}:${line}`,
          });
        }
      } else {
        const from = at;
        while (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r') at++;
        field = text.slice(from, at);
      }
      fields.push(field);
      more = text[at] === ',';
      if (more) at++;
    }
    if (text[at] === '\r') at++;
    if (text[at] === '\n') at++;
    line++;
    if (fields.length > 1 || fields[0] !== '') records.push({ line: first, fields });
  }
  return records;
}

/** A table of numbers. */
export interface NumericTable {
  readonly header: readonly string[] | undefined;
  readonly rows: number;
  readonly columns: number;
  /** Row-major [rows, columns]. */
  readonly values: Float64Array;
}

/** Text of a file, unpacked when its name ends in `.gz`. */
function readText(path: string): string {
  if (!existsSync(path))
    throw new ConsiliumError('SDK_DATA_MISSING', 'There is no such file.', { where: path });
  const bytes = readFileSync(path);
  return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

/**
 * Reads a CSV file (or `.csv.gz`) in which every field is a number.
 *
 * @param options.header whether the first line names the columns
 * @param options.columns how many columns there must be
 * @param options.skipLines lines before the header or the first row that are not part of the table
 * @throws ConsiliumError SDK_DATA_MISSING, SDK_BAD_CSV naming the line and the field
 */
export function readNumericCsv(
  path: string,
  options: { header: boolean; columns?: number; skipLines?: number } = { header: true },
): NumericTable {
  const records = parseCsv(readText(path), path).slice(options.skipLines ?? 0);
  const header = options.header ? records.shift()?.fields : undefined;
  const columns = options.columns ?? header?.length ?? records[0]?.fields.length ?? 0;
  if (header !== undefined && header.length !== columns) {
    throw new ConsiliumError('SDK_BAD_CSV', `The header has ${header.length} fields, ${columns} are due.`, {
      where: `${path}:1`,
    });
  }
  if (records.length === 0) throw new ConsiliumError('SDK_BAD_CSV', 'There are no rows.', { where: path });
  const values = new Float64Array(records.length * columns);
  for (const [row, { line, fields }] of records.entries()) {
    if (fields.length !== columns) {
      throw new ConsiliumError('SDK_BAD_CSV', `The line has ${fields.length} fields, ${columns} are due.`, {
        where: `${path}:${line}`,
      });
    }
    for (const [column, field] of fields.entries()) {
      const value = field.trim() === '' ? Number.NaN : Number(field);
      if (!Number.isFinite(value)) {
        throw new ConsiliumError(
          'SDK_BAD_CSV',
          `"${field}" in column ${header?.[column] ?? column + 1} is no number.`,
          {
            where: `${path}:${line}`,
          },
        );
      }
      values[row * columns + column] = value;
    }
  }
  return { header, rows: records.length, columns, values };
}

function quoted(field: string | number): string {
  const text = String(field);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Text of a CSV file with `\n` line ends; numbers in their shortest exact form. */
export function formatCsv(
  header: readonly string[] | undefined,
  rows: Iterable<readonly (string | number)[]>,
): string {
  const lines = header === undefined ? [] : [header.map(quoted).join(',')];
  for (const row of rows) lines.push(row.map(quoted).join(','));
  return `${lines.join('\n')}\n`;
}

/** Writes a CSV file. */
export function writeCsv(
  path: string,
  header: readonly string[] | undefined,
  rows: Iterable<readonly (string | number)[]>,
): void {
  writeFileSync(path, formatCsv(header, rows));
}
