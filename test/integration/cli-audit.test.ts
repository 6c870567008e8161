import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openAudit } from '@consilium/client';
import { consilium } from '../support/cli.js';

let home = '';
let file = '';

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'consilium-audit-'));
  file = join(home, 'audit.jsonl');
  const log = await openAudit(file, () => Date.parse('2026-01-01T00:00:00Z'));
  await log.append('client.enrolled', { client: 'site-1' });
  await log.append('client.connected', { combiner: 'combiner-1' });
  await log.close();
});
after(() => rm(home, { recursive: true, force: true }));

test('the audit log of a site is shown, and said to hold', async () => {
  const { code, stdout } = await consilium(['audit', file], { home });
  assert.equal(code, 0);
  assert.match(stdout, /connected/);
  assert.match(stdout, /the chain of 2 lines holds/);
});

test('one changed letter is found, and nothing is shown as if it were true', async () => {
  const changed = join(home, 'changed.jsonl');
  await writeFile(changed, (await readFile(file, 'utf8')).replace('site-1', 'site-2'));
  const { code, stdout, stderr } = await consilium(['audit', changed], { home });
  assert.equal(code, 8);
  assert.match(stderr, /CLIENT_AUDIT_BROKEN/);
  assert.equal(stdout, '');
});

test('a file that is not there is one clear error', async () => {
  const { code, stderr } = await consilium(['audit', join(home, 'none')], { home });
  assert.equal(code, 3);
  assert.match(stderr, /CLI_FILE/);
});
