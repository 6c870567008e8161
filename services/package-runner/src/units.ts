const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};
const timeUnits: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };

/** `2 GiB`, `512MB` or a number of bytes, as bytes; undefined if the text is no size. */
export function parseSize(text: string | number): number | undefined {
  const bytes = withUnit(text, sizeUnits);
  return bytes === undefined ? undefined : Math.floor(bytes);
}

/** `90s`, `10m`, `2h` or a number of seconds, as seconds; undefined if the text is no duration. */
export function parseDuration(text: string | number): number | undefined {
  return withUnit(text, timeUnits);
}

function withUnit(text: string | number, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(String(text).trim());
  if (match === null) return undefined;
  const unit = units[(match[2] ?? '').toLowerCase()];
  const value = Number(match[1]);
  return unit === undefined || !Number.isFinite(value) || value <= 0 ? undefined : value * unit;
}

/** Bytes for people: `1.5 GiB`. */
export function formatSize(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < names.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${names[index]}`;
}
