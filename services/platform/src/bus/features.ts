import { ConsiliumError } from '@consilium/protocol';
import { isAtLeast, parseVersion, type Version } from '../nats-server/version.js';
import { isLoopback } from '../net/proxy.js';

/** What Consilium can use, and since which nats-server it is there. */
export const serverFeatures = {
  /** Everything that is indispensable: KV, headers, full resolver, WebSocket, direct get. */
  base: [2, 9, 0],
  filterSubjects: [2, 10, 0],
  streamMetadata: [2, 10, 0],
  streamCompression: [2, 10, 0],
  /** Refused loudly from 2.11 on when a bucket does not allow it, ignored without a word before. */
  perKeyTtl: [2, 11, 0],
} as const satisfies Record<string, Version>;

export type ServerFeature = keyof typeof serverFeatures;

/** Holes in the authorisation of JetStream's management API, and the releases that close them. */
export const advisories = [
  {
    id: 'CVE-2025-30215',
    fixed: [
      [2, 10, 27],
      [2, 11, 1],
    ],
  },
  {
    id: 'CVE-2026-33222',
    fixed: [
      [2, 11, 15],
      [2, 12, 6],
    ],
  },
] as const satisfies readonly { id: string; fixed: readonly Version[] }[];

/** @throws ConsiliumError BUS_SERVER_TOO_OLD when the server lacks the feature. */
export function requireFeature(serverVersion: string, feature: ServerFeature): void {
  const minimum = serverFeatures[feature];
  const version = parseVersion(serverVersion);
  if (version !== undefined && isAtLeast(version, minimum)) return;
  const detail = `It is ${serverVersion || 'of unknown version'}; "${feature}" needs ${minimum.join('.')}.`;
  throw new ConsiliumError('BUS_SERVER_TOO_OLD', detail, { where: 'nats-server' });
}

export function hasFeature(serverVersion: string, feature: ServerFeature): boolean {
  const version = parseVersion(serverVersion);
  return version !== undefined && isAtLeast(version, serverFeatures[feature]);
}

/** Advisories that a server of this version is open to. An unknown version is open to all. */
export function openAdvisories(serverVersion: string): string[] {
  const version = parseVersion(serverVersion);
  return advisories.filter((a) => version === undefined || !isFixed(version, a.fixed)).map((a) => a.id);
}

/** Fixed on its own release line, or on a line newer than every line that needed a fix. */
function isFixed(version: Version, fixed: readonly Version[]): boolean {
  const line = fixed.find((f) => f[0] === version[0] && f[1] === version[1]);
  if (line !== undefined) return isAtLeast(version, line);
  return fixed.every((f) => isAtLeast(version, f));
}

/**
 * Refuses a server that is too old, or that has known holes while others can reach it.
 *
 * @param address the address connected to; holes are tolerated on loopback, where 2.9 is for trying out.
 * @param allowOutdated the operator's explicit consent; then nothing but `base` is asked.
 * @returns advisories that are open and tolerated, to be logged and shown.
 * @throws ConsiliumError BUS_SERVER_TOO_OLD, BUS_SERVER_UNSAFE
 */
export function requireServer(
  serverVersion: string,
  address: string,
  options: { allowOutdated?: boolean } = {},
): string[] {
  requireFeature(serverVersion, 'base');
  const open = openAdvisories(serverVersion);
  if (open.length === 0 || options.allowOutdated === true || isLoopback(hostOf(address))) return open;
  const newest = advisories.flatMap((a) => a.fixed.map((f) => f.join('.'))).at(-1);
  const detail = `It is ${serverVersion} and open to ${open.join(', ')}; ${newest} or newer is needed.`;
  throw new ConsiliumError('BUS_SERVER_UNSAFE', detail, { where: address });
}

function hostOf(address: string): string {
  const url = address.includes('://') ? address : `nats://${address}`;
  return URL.canParse(url) ? new URL(url).hostname : address;
}
