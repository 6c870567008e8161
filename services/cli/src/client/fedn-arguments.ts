/**
 * FEDn's users type `consilium client start -in client.yaml`; commander reads `-in` as `-i n`. Only words after
 * `client` are looked at.
 */
export function withFednArguments(argv: readonly string[]): string[] {
  const at = argv.indexOf('client');
  if (at < 0) return [...argv];
  return argv.map((word, index) => (index > at ? word.replace(/^-in(?==|$)/, '--in') : word));
}
