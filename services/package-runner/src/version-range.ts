type Version = readonly [number, number, number];

const rangePattern = /^([\^~]?)(\d+)(?:\.(\d+))?(?:\.(\d+))?$/;

/** `^0.1`, `~1.2.3`, `1.2.3` (exactly), `1.2` (any 1.2.x), `1` (any 1.x). */
export function isVersionRange(text: string): boolean {
  return rangePattern.test(text);
}

/**
 * Whether a version lies in a range, as npm understands `^` and `~`. A pre-release (`0.2.0-beta.1`)
 * counts as its release: what is being tried out is the next version.
 */
export function inRange(version: string, range: string): boolean {
  const match = rangePattern.exec(range);
  const found = parseVersion(version);
  if (match === null || found === undefined) return false;
  const [, operator, majorText, minorText, patchText] = match;
  const low: Version = [Number(majorText), Number(minorText ?? 0), Number(patchText ?? 0)];
  return compare(found, low) >= 0 && compare(found, upper(low, operator ?? '', minorText, patchText)) < 0;
}

function upper(
  [major, minor, patch]: Version,
  operator: string,
  minorText?: string,
  patchText?: string,
): Version {
  if (minorText === undefined) return [major + 1, 0, 0];
  if (operator === '' && patchText !== undefined) return [major, minor, patch + 1];
  if (operator !== '^') return [major, minor + 1, 0];
  if (major > 0) return [major + 1, 0, 0];
  // ^0.0.3 is 0.0.3 alone, ^0.0 is any 0.0.x, ^0.1 is any 0.1.x: below 1.0 a minor may break.
  return minor > 0 || patchText === undefined ? [0, minor + 1, 0] : [0, 0, patch + 1];
}

function parseVersion(text: string): Version | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)(?:-[0-9A-Za-z.-]+)?(?:\+.*)?$/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}
