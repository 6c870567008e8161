import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { sha256 } from '@consilium/platform';
import { ConsiliumError } from '@consilium/protocol';
import { GENESIS, parseLine } from './line.js';
import { readHead } from './log.js';

export interface AuditSummary {
  readonly lines: number;
  /** sha256 (hex) of the last line: note it elsewhere, and nobody can rewrite the log unseen. */
  readonly head: string;
}

/**
 * Walks the whole log: a line that was changed, dropped, added or moved is found, and so are lines cut off
 * at the end, as long as the `.head` file beside the log was not changed with it.
 * @throws ConsiliumError CLIENT_AUDIT_BROKEN with the number of the line in `where`
 */
export async function verifyAudit(file: string): Promise<AuditSummary> {
  const head = await readHead(file);
  let count = 0;
  let previous = GENESIS;
  const broken = (detail: string): ConsiliumError =>
    new ConsiliumError('CLIENT_AUDIT_BROKEN', detail, { where: `${file}:${count}` });
  const input = createReadStream(file);
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      count += 1;
      const line = parseLine(text);
      if (typeof line === 'string') throw broken(`Line ${count}: ${line}.`);
      if (line.seq !== count) throw broken(`Line ${count} has the number ${line.seq}.`);
      if (line.previous !== previous) throw broken(`Line ${count} does not follow the line before it.`);
      previous = sha256(text);
      if (head?.seq === count && head.hash !== previous) throw broken(`Line ${count} was replaced.`);
    }
  } catch (error) {
    if (error instanceof ConsiliumError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new ConsiliumError('CLIENT_STATE_DAMAGED', detail, { where: file, cause: error });
  }
  if (head !== undefined && head.seq > count) {
    throw broken(`${head.seq} lines were written, ${count} are there: the last ones were cut off.`);
  }
  return { lines: count, head: previous };
}
