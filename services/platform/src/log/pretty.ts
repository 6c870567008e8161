const MARKS: Readonly<Record<string, string>> = {
  fatal: '\u001b[31mFATAL\u001b[0m',
  error: '\u001b[31mERROR\u001b[0m',
  warn: '\u001b[33m WARN\u001b[0m',
  info: '\u001b[32m INFO\u001b[0m',
  debug: '\u001b[2mDEBUG\u001b[0m',
  trace: '\u001b[2mTRACE\u001b[0m',
};

/** Turns pino's JSON lines into lines for people. A line that is no JSON passes unchanged. */
export function prettyStream(target: { write(line: string): unknown }): { write(line: string): void } {
  return {
    write(line) {
      target.write(prettyLine(line));
    },
  };
}

export function prettyLine(line: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { level, time, service, msg, err, ...rest } = record;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const mark = MARKS[String(level)] ?? String(level);
  const more = Object.entries(rest).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return ` \u001b[2m${name}=\u001b[0m${text}`;
  });
  const stack = typeof err === 'object' && err !== null ? `\n${(err as { stack?: string }).stack ?? ''}` : '';
  return `${clock} ${mark} ${String(service)}: ${String(msg ?? '')}${more.join('')}${stack}\n`;
}
