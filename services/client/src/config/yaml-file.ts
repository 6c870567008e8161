import { readFile } from 'node:fs/promises';
import { ConsiliumError } from '@consilium/protocol';
import { type Document, isPair, isScalar, isSeq, isMap as isYamlMap, LineCounter, parseDocument } from 'yaml';
import { isMap, type KeyPath } from './layers.js';

/** Far beyond any client.yaml; a wrong path (a data file) is found before it is parsed. */
const MAX_BYTES = 1 << 20;

export interface YamlFile {
  readonly values: Record<string, unknown>;
  /** `client.yaml:12` of a key, or of the nearest key above it that is there. */
  locate(path: KeyPath): string;
}

/** @throws ConsiliumError CLIENT_CONFIG_MISSING, CLIENT_CONFIG_SYNTAX, CLIENT_BAD_CONFIG */
export async function readYamlFile(file: string): Promise<YamlFile> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: 'There is no such file.',
      EISDIR: 'It is a folder.',
      EACCES: 'This user may not read it.',
    };
    const reason = reasons[code ?? ''] ?? `Reading it failed with ${code ?? String(cause)}.`;
    throw new ConsiliumError('CLIENT_CONFIG_MISSING', reason, { where: file, cause });
  }
  if (bytes.length > MAX_BYTES) {
    const detail = `It has ${bytes.length} bytes, at most ${MAX_BYTES} are read.`;
    throw new ConsiliumError('CLIENT_BAD_CONFIG', detail, { where: file });
  }
  return parseYaml(decode(bytes, file), file);
}

function decode(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConsiliumError('CLIENT_CONFIG_SYNTAX', 'It is not text in UTF-8.', { where: file, cause });
  }
}

export function parseYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const line = (offset: number): string => `${file}:${Math.max(1, lines.linePos(offset).line)}`;
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new ConsiliumError('CLIENT_CONFIG_SYNTAX', `${problem.message}.`, { where: line(problem.pos[0]) });
  }
  let values: unknown;
  try {
    values = document.toJS();
  } catch (cause) {
    const detail = cause instanceof Error ? `${cause.message}.` : String(cause);
    throw new ConsiliumError('CLIENT_CONFIG_SYNTAX', detail, { where: file, cause });
  }
  if (values === null || values === undefined) {
    throw new ConsiliumError('CLIENT_BAD_CONFIG', 'The file is empty.', { where: file });
  }
  if (!isMap(values)) {
    throw new ConsiliumError('CLIENT_BAD_CONFIG', 'Expected lines of the form "key: value".', {
      where: file,
    });
  }
  return { values, locate: (path) => line(offsetOf(document, path)) };
}

/** Offset of the key (or list item) at the path, or of the deepest one above it that exists. */
function offsetOf(document: Document, path: KeyPath): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const part of path) {
    if (isYamlMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === part);
      if (pair === undefined) return offset;
      offset = isScalar(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
    } else if (isSeq(node)) {
      const item = node.items[Number(part)];
      if (!isScalar(item)) return offset;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else return offset;
  }
  return offset;
}
