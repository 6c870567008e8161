import { ConsiliumError } from '@consilium/protocol';
import type { PackageLimits } from './package-files.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const control = /[\u0000-\u001f\u007f-\u009f]/;
/** Characters that some system forbids or gives a meaning: `C:`, streams, wildcards, backslashes. */
const unportable = /[\\:*?"<>|]/;
/** Names that Windows takes for devices, whatever their ending. */
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * Checks the name of a member before anything is done with it.
 * @throws ConsiliumError PKG_PATH_ABSOLUTE, PKG_PATH_TRAVERSAL, PKG_PATH_INVALID, PKG_PATH_TOO_LONG
 */
export function checkMemberPath(path: string, limits: PackageLimits): void {
  const where = JSON.stringify(path.slice(0, 120));
  if (path.startsWith('/') || /^[a-z]:/i.test(path)) {
    throw new ConsiliumError('PKG_PATH_ABSOLUTE', 'It begins at the root.', { where });
  }
  const parts = path.split('/');
  if (parts.includes('..') || path.split('\\').includes('..')) {
    throw new ConsiliumError('PKG_PATH_TRAVERSAL', 'It holds "..".', { where });
  }
  if (Buffer.byteLength(path) > limits.path) {
    const detail = `It has ${Buffer.byteLength(path)} bytes; at most ${limits.path} are allowed.`;
    throw new ConsiliumError('PKG_PATH_TOO_LONG', detail, { where });
  }
  const reason = invalidReason(path, parts);
  if (reason !== undefined) throw new ConsiliumError('PKG_PATH_INVALID', reason, { where });
}

function invalidReason(path: string, parts: readonly string[]): string | undefined {
  if (control.test(path)) return 'It holds a control character.';
  if (path.includes('\ufffd')) return 'It is not UTF-8.';
  if (unportable.test(path)) return 'It holds one of \\ : * ? " < > |.';
  if (parts.some((part) => part === '' || part === '.')) return 'It has an empty part or ".".';
  if (parts.some((part) => /[. ]$/.test(part))) return 'A part ends with a dot or a blank.';
  if (parts.some((part) => reserved.test(part))) return 'A part is the name of a device.';
  if (parts.includes('node_modules')) return 'node_modules is where the client keeps its own sdk.';
  return undefined;
}

/** Paths with the same key are one file on a system that ignores case or the form of accents. */
export function collisionKey(path: string): string {
  return path.normalize('NFKC').toLowerCase();
}
