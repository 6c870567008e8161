import { ConsiliumError } from '@consilium/protocol';

/** The error number's name of a failed file operation. */
export function errno(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return undefined;
}

/** A file operation's failure as what a caller of the store may hear of it: no path of the server's disk. */
export function fromFsError(error: unknown, where: string): Error {
  if (error instanceof ConsiliumError) return error;
  switch (errno(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new ConsiliumError('STORE_DISK_FULL', `The disk answered ${errno(error)}.`, {
        where,
        cause: error,
      });
    case 'ENOENT':
      return new ConsiliumError('STORE_NOT_FOUND', 'There is no such object.', { where, cause: error });
    case 'ELOOP':
      return symbolicLink(where);
    case 'ENOTDIR':
    case 'EISDIR':
      return nameTaken(where);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ConsiliumError('STORE_DENIED', `The store server may not write there: ${errno(error)}.`, {
        where,
        cause: error,
        fix: 'Give the store server’s user the rights to its folder.',
      });
    default:
      return error instanceof Error ? error : new Error(String(error));
  }
}

export function symbolicLink(where: string): ConsiliumError {
  return new ConsiliumError(
    'STORE_BAD_NAME',
    'There is a symbolic link on the way, which is never followed.',
    {
      where,
      fix: 'Remove the link from the store’s folder.',
    },
  );
}

/** Of the keys `a` and `a/b` a file system holds only one. */
export function nameTaken(where: string): ConsiliumError {
  return new ConsiliumError(
    'STORE_BAD_NAME',
    'An object cannot be a folder too: a part of this key, or a key below it, is taken.',
    { where, fix: 'Choose another key.' },
  );
}
