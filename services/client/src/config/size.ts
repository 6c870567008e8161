const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Bytes of a size as client.yaml writes it (`4 GiB`, `500MB`, `1024`); the schema has checked the form. */
export function parseSize(text: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = UNITS[(found?.[2] ?? '').toLowerCase() || 'b'];
  if (found === null || unit === undefined) throw new RangeError(`"${text}" is not a size`);
  return Math.round(Number(found[1]) * unit);
}
