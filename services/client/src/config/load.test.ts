import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ConsiliumError } from '@consilium/protocol';
import { type ConfigOverrides, loadClientConfig } from './load.js';
import { bad, good, KEY, TOKEN } from './test-support/bad-files.js';

let folder = '';
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'consilium-config-'));
  await mkdir(join(folder, 'data'));
  await writeFile(join(folder, 'a-file'), 'x');
});
after(() => rm(folder, { recursive: true, force: true }));

async function load(text: string, overrides: ConfigOverrides = {}) {
  const file = join(folder, `client-${++count}.yaml`);
  await writeFile(file, text);
  return await loadClientConfig(file, { env: {}, ...overrides });
}

async function failure(text: string, overrides: ConfigOverrides = {}): Promise<ConsiliumError> {
  try {
    await load(text, overrides);
  } catch (error) {
    assert.ok(error instanceof ConsiliumError, String(error));
    return error;
  }
  assert.fail('it was accepted');
}

describe('a good client.yaml', () => {
  test('gets its defaults, and paths relative to the file become absolute', async () => {
    const { config, notices } = await load(good);
    assert.equal(config.data.path, join(folder, 'data'));
    assert.equal(config.state, join(folder, 'consilium-state'));
    assert.equal(config.policy.network, 'none');
    assert.equal(config.parallel_tasks, 1);
    assert.deepEqual(notices, []);
  });

  test('a slash at the end of the address makes no difference', async () => {
    const { config } = await load(good.replace('example.org', 'example.org/'));
    assert.equal(config.url, 'https://consilium.example.org');
  });

  test('an optional key without a value counts as left out', async () => {
    const { config } = await load(`${good}preferred_combiner:\npolicy:\n  memory:\n`);
    assert.equal(config.preferred_combiner, undefined);
    assert.equal(config.policy.memory, undefined);
  });

  test('the environment overrides the file, nested keys and lists included', async () => {
    const env = {
      CONSILIUM_NAME: 'hospital-b',
      CONSILIUM_DATA__NAME: '2024',
      CONSILIUM_POLICY__ALLOWED_SIGNERS: `${KEY}, ${KEY.replace('UA', 'UB')}`,
      CONSILIUM_POLICY__CPUS: '2.5',
      CONSILIUM_WARM_WORKER: 'no',
      CONSILIUM_LOG_LEVEL: '',
    };
    const { config } = await load(good, { env });
    assert.equal(config.name, 'hospital-b');
    assert.equal(config.data.name, '2024');
    assert.deepEqual(config.policy.allowed_signers, [KEY, KEY.replace('UA', 'UB')]);
    assert.equal(config.policy.cpus, 2.5);
    assert.equal(config.warm_worker, false);
    assert.equal(config.log_level, 'info');
  });

  test('--name wins over the environment', async () => {
    const { config } = await load(good, { name: 'hospital-c', env: { CONSILIUM_NAME: 'hospital-b' } });
    assert.equal(config.name, 'hospital-c');
  });

  test('a variable that looks like a mistyped key is reported, one of another program is not', async () => {
    const { notices } = await load(good, { env: { CONSILIUM_NAEM: 'x', CONSILIUM_BACKEND: 'cpu' } });
    assert.equal(notices.length, 1);
    assert.match(notices[0]!, /CONSILIUM_NAEM.*CONSILIUM_NAME/);
  });
});

test("a person's API token in the environment is not taken for a join token", async () => {
  const { config, notices } = await load(good, { env: { CONSILIUM_TOKEN: TOKEN.replace('cjt', 'cat') } });
  assert.equal(config.token, TOKEN);
  assert.match(notices.join(), /CONSILIUM_TOKEN holds an API token/);
});

describe("a FEDn user's client.yaml", () => {
  test('is read with its address, and says what becomes of every key', async () => {
    const text = `discover_host: api.example.org
discover_port: 8092
name: client-1
client_id: 1234
trainer: true
package_checksum: abc
preferred_combiner:
data: { path: ./data, name: x }
`;
    const { config, notices } = await load(text);
    assert.equal(config.url, 'http://api.example.org:8092');
    assert.equal(config.name, 'client-1');
    assert.equal(notices.length, 4);
    assert.match(notices[0]!, /:1: the FEDn key discover_host is read as url: http/);
    assert.ok(notices.some((line) => /:4: the FEDn key client_id is ignored: /.test(line)));
  });

  test('url wins over the FEDn address, and that is said', async () => {
    const { config, notices } = await load(`${good}discover_host: old.example.org\n`);
    assert.equal(config.url, 'https://consilium.example.org');
    assert.match(notices.join('\n'), /discover_host is ignored: url says/);
  });
});

describe('a bad client.yaml is refused with its place:', () => {
  for (const { what, text, code, where, detail } of bad) {
    test(what, async () => {
      const error = await failure(text);
      assert.equal(error.code, code, error.message);
      assert.match(error.detail, detail);
      assert.match(error.where ?? '', where ?? /client-\d+\.yaml/);
      assert.ok(!error.message.includes(TOKEN), 'the token is shown');
    });
  }

  test('all problems are named at once', async () => {
    const error = await failure(good.replace('hospital-a', 'A_').replace('https', 'ftp'));
    assert.match(error.detail, /url: .*Also: .*:2: name: /);
  });

  test('a file that does not exist, and a folder instead of a file', async () => {
    const missing = loadClientConfig(join(folder, 'none.yaml'), { env: {} });
    await assert.rejects(missing, { code: 'CLIENT_CONFIG_MISSING', where: join(folder, 'none.yaml') });
    await assert.rejects(loadClientConfig(folder, { env: {} }), { code: 'CLIENT_CONFIG_MISSING' });
  });

  test('a bad value from the environment names the variable', async () => {
    const error = await failure(good, { env: { CONSILIUM_POLICY__ISOLATION: 'yes' } });
    assert.equal(error.code, 'CLIENT_BAD_CONFIG');
    assert.equal(error.where, 'environment variable CONSILIUM_POLICY__ISOLATION');
    const number = await failure(good, { env: { CONSILIUM_POLICY__CPUS: 'two' } });
    assert.match(number.detail, /expected a number, found "two"/);
    const key = await failure(good, { env: { CONSILIUM_DATA__PAHT: 'two' } });
    assert.equal(key.code, 'CLIENT_UNKNOWN_KEY');
    assert.match(key.detail, /Did you mean CONSILIUM_DATA__PATH/);
  });

  test('a bad --name names the option', async () => {
    const error = await failure(good, { name: 'A B' });
    assert.equal(error.where, 'option --name');
  });

  test('the password in a proxy address is not shown', async () => {
    const error = await failure(`${good}proxy: socks5://me:secret@proxy:1080\n`);
    assert.equal(error.code, 'CLIENT_BAD_CONFIG');
    assert.ok(!error.message.includes('secret'), error.message);
  });
});
