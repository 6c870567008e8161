import { asConsiliumError, type ConsiliumError } from '@consilium/protocol/errors';

/** Where a command writes. Results go to standard output, everything else to standard error. */
export interface Output {
  readonly json: boolean;
  /** Whether lines can be rewritten in place. */
  readonly live: boolean;
  /** One result: an object for `--json`, a text for people. */
  result(value: unknown, text: string): void;
  /** A remark for people; nothing with `--json`. */
  say(text: string): void;
  /** The state of something that goes on; replaces itself on a terminal. */
  progress(text: string): void;
  /** Ends the line that `progress` keeps. */
  endProgress(): void;
}

export function createOutput(json: boolean, streams = { out: process.stdout, err: process.stderr }): Output {
  const { out, err } = streams;
  const live = !json && err.isTTY === true;
  let shown = false;
  const clear = () => {
    if (shown) err.write('\r\u001b[2K');
    shown = false;
  };
  return {
    json,
    live,
    result(value, text) {
      clear();
      out.write(json ? `${JSON.stringify(value)}\n` : `${text}\n`);
    },
    say(text) {
      if (json) return;
      clear();
      err.write(`${text}\n`);
    },
    progress(text) {
      if (!live) return;
      clear();
      err.write(text.slice(0, (err.columns ?? 100) - 1));
      shown = true;
    },
    endProgress: clear,
  };
}

/** Columns aligned by their widest cell; numbers to the right. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [headings.map(String), ...rows.map((row) => row.map(String))];
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  const isNumber = headings.map(
    (_, column) => rows.length > 0 && rows.every((row) => isNumeric(row[column])),
  );
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          isNumber[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function isNumeric(cell: string | number | undefined): boolean {
  return typeof cell === 'number' || (typeof cell === 'string' && /^[-+]?[\d.,]+%?$/.test(cell));
}

/** The one way an error reaches a person: code, what, where, what to do. */
export function errorText(error: ConsiliumError): string {
  const { code, message, detail, where, fix } = error.toBody();
  const lines = [`error ${code}: ${message}`, `  ${detail.replaceAll('\n', '\n  ')}`];
  if (where !== undefined) lines.push(`  where: ${where}`);
  lines.push(`  to do: ${fix}`);
  return lines.join('\n');
}

/** Prints an error and gives the exit code of the process. */
export function reportError(thrown: unknown, json: boolean): number {
  const error = asConsiliumError(thrown);
  process.stderr.write(json ? `${JSON.stringify(error.toBody())}\n` : `${errorText(error)}\n`);
  if (error.code === 'INTERNAL' && process.env.CONSILIUM_LOG_LEVEL === 'debug') console.error(thrown);
  return error.exit;
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Metrics as `auc 0.994, loss 0.081`, in the order of their names. */
export function formatMetrics(metrics: Readonly<Record<string, number>>): string {
  return Object.entries(metrics)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value : value.toFixed(4)}`)
    .join(', ');
}
