import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { headFile, openAudit } from './log.js';
import { verifyAudit } from './verify.js';

let folder = '';
let file = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consilium-audit-'));
  file = join(folder, 'audit.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

let time = 0;
const now = () => ++time * 1000;

async function write(count: number): Promise<string[]> {
  const log = await openAudit(file, now);
  for (let i = 0; i < count; i++) await log.append('task.started', { i, text: 'ä\n"' });
  await log.close();
  return (await readFile(file, 'utf8')).split('\n').slice(0, -1);
}

async function broken(lines: readonly string[], where: number): Promise<void> {
  await writeFile(file, lines.map((line) => `${line}\n`).join(''));
  await assert.rejects(verifyAudit(file), { code: 'CLIENT_AUDIT_BROKEN', where: `${file}:${where}` });
}

describe('the audit log', () => {
  test('is accepted as it was written, and goes on after a restart', async () => {
    await write(3);
    const lines = await write(2);
    assert.equal(lines.length, 5);
    assert.equal((await verifyAudit(file)).lines, 5);
  });

  test('a line for which the disk had only half the room leaves nothing behind', async () => {
    const program = `
      import { openAudit } from ${JSON.stringify(new URL('./log.js', import.meta.url).href)};
      const log = await openAudit(${JSON.stringify(file)}, () => 1000);
      let refused = 0;
      for (let i = 0; i < 30; i++) {
        const text = 'x'.repeat(i % 2 === 0 ? 700 : 1);
        await log.append('task.started', { i, text }).catch(() => { refused += 1; });
      }
      await log.close();
      process.stdout.write(String(refused));`;
    // Files may have eight blocks: a write beyond is cut short first, as on a disk that runs full.
    const limited = [
      '-c',
      'ulimit -f 8; exec "$0" "$@"',
      process.execPath,
      '--input-type=module',
      '-e',
      program,
    ];
    const { stdout } = await promisify(execFile)('/bin/sh', limited);
    assert.ok(Number(stdout) > 0, 'the disk was full at some point');
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n').length;
    assert.equal((await verifyAudit(file)).lines, lines);
    await write(1);
    assert.equal((await verifyAudit(file)).lines, lines + 1);
  });

  test('keeps the order of calls that do not wait for each other', async () => {
    const log = await openAudit(file, now);
    await Promise.all(Array.from({ length: 20 }, (_, i) => log.append('task.finished', { i })));
    await log.close();
    assert.equal((await verifyAudit(file)).lines, 20);
    const seen = (await readFile(file, 'utf8')).trim().split('\n');
    assert.deepEqual(
      seen.map((line) => JSON.parse(line).details.i),
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test('shows a changed line, also when it is the last', async () => {
    const lines = await write(4);
    const change = (line: string): string => line.replace('"i":', '"i":1');
    await broken([lines[0]!, change(lines[1]!), lines[2]!, lines[3]!], 2);
    await broken([lines[0]!, lines[1]!, lines[2]!, change(lines[3]!)], 4);
  });

  test('shows a dropped line, at the end too', async () => {
    const lines = await write(4);
    await broken([lines[0]!, lines[2]!, lines[3]!], 2);
    await broken(lines.slice(1), 1);
    await broken(lines.slice(0, 3), 3);
  });

  test('shows swapped and doubled lines', async () => {
    const lines = await write(4);
    await broken([lines[0]!, lines[2]!, lines[1]!, lines[3]!], 2);
    await broken([lines[0]!, lines[1]!, lines[1]!, lines[2]!, lines[3]!], 3);
  });

  test('shows a line that was forged with a fitting hash of its own', async () => {
    const lines = await write(3);
    const other = join(folder, 'other.jsonl');
    const log = await openAudit(other, now);
    await log.append('task.refused', {});
    await log.append('task.refused', {});
    await log.close();
    const forged = (await readFile(other, 'utf8')).split('\n')[1]!;
    await broken([lines[0]!, forged, lines[2]!], 2);
  });

  test('repairs a line that a crash cut off, and says so in a line of its own', async () => {
    await write(2);
    await appendFile(file, '{"seq":3,"at":"20');
    const log = await openAudit(file, now);
    assert.equal(log.repairedBytes, 17);
    await log.append('client.started', {});
    await log.close();
    assert.equal((await verifyAudit(file)).lines, 4);
    const note = JSON.parse((await readFile(file, 'utf8')).split('\n')[2]!);
    assert.equal(note.event, 'audit.repaired');
    assert.equal(note.details.bytes, 17);
  });

  test('repairs a first line that was cut off, and lines longer than one read', async () => {
    await writeFile(file, '{"seq"');
    let log = await openAudit(file, now);
    await log.append('task.failed', { text: 'x'.repeat(200_000) });
    await log.close();
    log = await openAudit(file, now);
    await log.append('client.stopped', {});
    await log.close();
    assert.equal((await verifyAudit(file)).lines, 3);
  });

  test('a crash between the line and its head file is no fault', async () => {
    await write(2);
    const head = await readFile(headFile(file));
    await write(1);
    await writeFile(headFile(file), head);
    assert.equal((await verifyAudit(file)).lines, 3);
    await unlink(headFile(file));
    assert.equal((await verifyAudit(file)).lines, 3);
  });

  test('is not continued after a last line that was changed', async () => {
    const lines = await write(2);
    await writeFile(file, `${lines[0]}\n${lines[1]!.replace('started', 'stopped')}\n`);
    await assert.rejects(openAudit(file, now), { code: 'CLIENT_AUDIT_BROKEN' });
  });
});
