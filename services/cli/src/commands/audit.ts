import { readFile } from 'node:fs/promises';
import { verifyAudit } from '@consilium/client';
import { auditSchema, ConsiliumError } from '@consilium/protocol';
import { Command } from 'commander';
import { openSession } from '../core/command.js';
import { type Output, table } from '../core/output.js';

export function auditCommand(): Command {
  return new Command('audit')
    .description('show and check the hash-chained audit log of a site or of the reducer')
    .argument('[file]', 'audit.jsonl of a site’s state folder; the reducer’s log if left out (admin)')
    .addHelpText('after', '\nExample:\n  consilium audit consilium-state/audit.jsonl')
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      const { out, api } = openSession(command);
      if (file !== undefined) {
        await showSite(file, out);
        return;
      }
      const { lines, broken_at } = await (await api()).get('/audit', auditSchema);
      show(out, lines, `the chain of ${lines.length} lines holds`, broken_at !== null);
      if (broken_at === null) return;
      const detail = `Line ${broken_at} does not follow from the one before.`;
      throw new ConsiliumError('AUDIT_BROKEN', detail, { where: 'audit log of the reducer' });
    });
}

async function showSite(file: string, out: Output): Promise<void> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new ConsiliumError('CLI_FILE', cause instanceof Error ? cause.message : String(cause), {
      where: file,
      cause,
    });
  }
  // Checked first: what is shown is then what was written.
  const summary = await verifyAudit(file);
  const lines = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { seq: number; at: string; event: string; details: unknown });
  show(out, lines, `the chain of ${summary.lines} lines holds`, false);
}

function show(
  out: Output,
  lines: readonly { seq: number; at: string; event: string; details: unknown }[],
  verdict: string,
  isBroken: boolean,
): void {
  const rows = lines.map(({ seq, at, event, details }) => [
    seq,
    at.slice(0, 19),
    event,
    JSON.stringify(details),
  ]);
  const text =
    rows.length === 0 ? 'nothing has been logged yet' : table(['line', 'at', 'event', 'details'], rows);
  out.result(lines, isBroken ? text : `${text}\n${verdict}`);
}
