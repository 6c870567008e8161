import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { applySettings, checkSpec, readSessionFile } from '@consilium/cli';
import { loadClientConfig } from '@consilium/client';
import { type ErrorCode, errorTable } from '@consilium/protocol';
import { collect, writeNpz } from '@consilium/tensor';

const consilium = fileURLToPath(new URL('../../../services/cli/bin/consilium.js', import.meta.url));
let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consilium-bad-input-'));
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'data', 'a.csv'), '1,2\n');
});
after(() => rm(folder, { recursive: true, force: true }));

/** Every file below the folder with its size. */
async function traces(): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(folder, { recursive: true })) {
    const { size, isFile } = await stat(join(folder, name)).then((s) => ({
      size: s.size,
      isFile: s.isFile(),
    }));
    found.push(isFile ? `${name} ${size}` : name);
  }
  return found.sort();
}

async function refused(code: string, task: () => Promise<unknown>): Promise<Error> {
  assert.ok(Object.hasOwn(errorTable, code), 'the code is in the error table');
  const earlier = await traces();
  const error = await task().then(
    () => assert.fail('it was accepted'),
    (thrown: Error & { code?: string }) => thrown,
  );
  assert.equal((error as { code?: string }).code, code, error.message);
  assert.deepEqual(await traces(), earlier, 'nothing was written');
  return error;
}

const token = `cjt_${'a'.repeat(43)}`;
const client = `url: https://example.org
name: hospital-a
token: ${token}
data: { path: ./data, name: breast }
`;
const badClients: readonly [string, ErrorCode, string][] = [
  ['nothing in it', 'CLIENT_BAD_CONFIG', ''],
  ['YAML that does not end', 'CLIENT_CONFIG_SYNTAX', `${client}policy: {network: none\n`],
  ['a key twice', 'CLIENT_CONFIG_SYNTAX', `${client}name: b\n`],
  ['an alias that points nowhere', 'CLIENT_CONFIG_SYNTAX', `${client}state: *nowhere\n`],
  ['an unknown key', 'CLIENT_UNKNOWN_KEY', `${client}polcy: {}\n`],
  ['an address that is none', 'CLIENT_BAD_CONFIG', client.replace('https:', 'gopher:')],
  ['a name that is a path', 'CLIENT_BAD_CONFIG', client.replace('hospital-a', '../reducer')],
  ['a name that is a wildcard', 'CLIENT_BAD_CONFIG', client.replace('hospital-a', '"*"')],
  ['an API token in place of a join token', 'CLIENT_BAD_TOKEN', client.replace('cjt_', 'cat_')],
  ['a data folder that is not there', 'CLIENT_DATA_MISSING', client.replace('./data', './nowhere')],
  ['its state among the data', 'CLIENT_BAD_CONFIG', `${client}state: ./data/state\n`],
  ['a certificate that is not there', 'CLIENT_CA_UNREADABLE', `${client}ca_file: ./ca.pem\n`],
  ['a signer that is no key', 'CLIENT_BAD_CONFIG', `${client}policy: { allowed_signers: [me] }\n`],
  [
    'a memory size without a unit that exists',
    'CLIENT_BAD_CONFIG',
    `${client}policy: { memory: 4 parsecs }\n`,
  ],
];

describe('a client.yaml with', () => {
  for (const [what, code, text] of badClients) {
    test(`${what}: ${code}, and nothing is made`, async () => {
      const file = join(folder, 'client.yaml');
      await writeFile(file, text);
      const error = await refused(code, () => loadClientConfig(file, { env: {} }));
      assert.ok(!error.message.includes(token), 'the token is not shown');
    });
  }

  test('no file at all: CLIENT_CONFIG_MISSING', async () => {
    await refused('CLIENT_CONFIG_MISSING', () => loadClientConfig(join(folder, 'none.yaml'), { env: {} }));
  });
});

const session = 'name: one\npackage: { name: demo, version: 1.0.0 }\n';
const badSessions: readonly [string, ErrorCode, string, RegExp][] = [
  ['nothing in it', 'SESSION_BAD_SPEC', '', /package/],
  ['a list', 'SESSION_BAD_SPEC', '- rounds\n', /mapping/],
  ['YAML that does not end', 'SESSION_BAD_SPEC', `${session}training: {fraction: 1\n`, /session\.yaml:\d/],
  ['a key twice', 'SESSION_BAD_SPEC', `${session}name: two\n`, /:3/],
  ['an unknown field', 'SESSION_BAD_SPEC', `${session}epochs: 3\n`, /epochs/],
  ['an unknown nested field', 'SESSION_BAD_SPEC', `${session}training: { share: 1 }\n`, /training/],
  ['no rounds', 'SESSION_BAD_SPEC', `${session}rounds: 0\n`, /rounds/],
  ['rounds as text', 'SESSION_BAD_SPEC', `${session}rounds: many\n`, /rounds/],
  ['rounds that are no number', 'SESSION_BAD_SPEC', `${session}rounds: .nan\n`, /rounds/],
  ['a quorum of nobody', 'SESSION_BAD_SPEC', `${session}quorum: 0\n`, /quorum/],
  ['a negative deadline', 'SESSION_BAD_SPEC', `${session}round_deadline: -1\n`, /round_deadline/],
  ['a name with capitals', 'SESSION_BAD_SPEC', session.replace('one', 'One'), /name/],
  ['a version that is a number', 'SESSION_BAD_SPEC', session.replace('1.0.0', '1.0'), /package\.version/],
  ['an unknown strategy', 'SESSION_BAD_SPEC', `${session}strategy: { name: magic }\n`, /strategy\.name/],
];

describe('a session.yaml with', () => {
  for (const [what, code, text, place] of badSessions) {
    test(`${what}: ${code}`, async () => {
      const file = join(folder, 'session.yaml');
      await writeFile(file, text);
      const error = await refused(code, async () => checkSpec(await readSessionFile(file), file));
      assert.match(error.message, place);
    });
  }

  test('no file at all: CLI_FILE', async () => {
    await refused('CLI_FILE', () => readSessionFile(join(folder, 'none.yaml')));
  });

  for (const [setting, code] of [
    ['rounds=many', 'SESSION_BAD_SPEC'],
    ['training.fraction=2', 'SESSION_BAD_SPEC'],
    ['training.share=1', 'SESSION_BAD_SPEC'],
    ['epoch=3', 'PKG_BAD_CONFIG'],
    ['epochs=three', 'PKG_BAD_CONFIG'],
    ['epochs', 'PKG_BAD_CONFIG'],
  ] as const) {
    test(`--set ${setting}: ${code}`, async () => {
      const config = {
        type: 'object',
        properties: { epochs: { type: 'integer' } },
        additionalProperties: false,
      };
      const input = { name: 'one', package: { name: 'demo', version: '1.0.0' } };
      await refused(code, async () => checkSpec(applySettings(input, [setting], config as never), '--set'));
    });
  }
});

/** Runs `consilium model average` in the folder; throws the error that it prints. */
async function average(files: readonly string[], ...more: string[]): Promise<void> {
  const args = [consilium, 'model', 'average', ...files, '-o', 'mean.npz', '--json', ...more];
  const text = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { cwd: folder }, (error, stdout, stderr) => {
      resolve(error === null ? '' : `${stdout}\n${stderr}`);
    });
  });
  if (text === '') return;
  const line = text.split('\n').find((part) => part.includes('"code"'));
  if (line === undefined) throw new Error(text);
  const body = JSON.parse(line) as { code?: string; error?: { code: string } };
  throw Object.assign(new Error(line), { code: body.code ?? body.error?.code });
}

function model(values: readonly number[], name = 'w'): Promise<Uint8Array> {
  const data = Float32Array.from(values);
  return collect(writeNpz([{ name, dtype: 'float32', shape: [data.length], data }]));
}

describe('model average of', () => {
  before(async () => {
    const good = await model([1, 2, 3]);
    await writeFile(join(folder, 'good.npz'), good);
    await writeFile(join(folder, 'text.npz'), 'hello');
    await writeFile(join(folder, 'cut.npz'), good.subarray(0, -30));
    const bit = Buffer.from(good);
    bit[good.length - 90]! ^= 1;
    await writeFile(join(folder, 'bit.npz'), bit);
    await writeFile(join(folder, 'nan.npz'), await model([1, Number.NaN, 3]));
    await writeFile(join(folder, 'shape.npz'), await model([1, 2]));
    await writeFile(join(folder, 'name.npz'), await model([1, 2, 3], 'v'));
  });
  for (const [what, code, files, more] of [
    ['a file that is not there', 'CLI_FILE', ['good.npz', 'none.npz'], []],
    ['a text', 'NPZ_NOT_ZIP', ['good.npz', 'text.npz'], []],
    ['a file that is cut off', 'NPZ_TRUNCATED', ['cut.npz', 'good.npz'], []],
    ['a file with a changed bit', 'NPZ_CRC', ['good.npz', 'bit.npz'], []],
    ['a file with NaN', 'AGG_NOT_FINITE', ['good.npz', 'nan.npz'], []],
    ['another shape', 'AGG_MISMATCH', ['good.npz', 'shape.npz'], []],
    ['another name', 'AGG_MISMATCH', ['good.npz', 'name.npz'], []],
    ['two files with one weight', 'USAGE', ['good.npz', 'good.npz'], ['-w', '3']],
    ['a weight below zero', 'AGG_BAD_WEIGHT', ['good.npz', 'good.npz'], ['-w=-1', '-w', '2']],
  ] as const) {
    test(`${what}: ${code}, and no mean is written`, async () => {
      await refused(code, () => average(files, ...more));
    });
  }
});

test('docs/reference/errors.md has a row for every code, with its message, fix, HTTP status and exit code', async () => {
  const page = await readFile(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8');
  const cell = (text: string) => text.replaceAll('|', '\\|');
  for (const [code, { message, fix, http, exit }] of Object.entries(errorTable)) {
    const row = `| \`${code}\` | ${cell(message)} | ${cell(fix)} | ${http} | ${exit} |`;
    assert.ok(page.includes(`\n${row}\n`), `${code}: run node scripts/errors-page.mjs`);
  }
  const documented = [...page.matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, code]) => code);
  assert.deepEqual(new Set(documented), new Set(Object.keys(errorTable)));
});
