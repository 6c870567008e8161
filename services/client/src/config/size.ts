import { parseSize as bytesOf } from '@consilium/package-runner';

/** Bytes of a size as client.yaml writes it (`4 GiB`, `500MB`, `1024`, `0`); the schema has checked the form. */
export function parseSize(text: string): number {
  return bytesOf(text) ?? 0;
}
