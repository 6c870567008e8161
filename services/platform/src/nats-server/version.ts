/** A version of nats-server as [major, minor, patch]. */
export type Version = readonly [number, number, number];

/** Reads `2.9.10`, `v2.15.2`, `nats-server: v2.10.0-RC.1`; undefined for anything else. */
export function parseVersion(text: string): Version | undefined {
  const found = /(?:^|[^\d.])v?(\d+)\.(\d+)\.(\d+)/.exec(text);
  if (found === null) return undefined;
  return [Number(found[1]), Number(found[2]), Number(found[3])];
}

/** Whether `version` is `minimum` or newer. */
export function isAtLeast(version: Version, minimum: Version): boolean {
  for (const [i, wanted] of minimum.entries()) {
    const have = version[i] ?? 0;
    if (have !== wanted) return have > wanted;
  }
  return true;
}
