import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type RunningPlatform, startPlatform } from '@consilium/cli';
import { verifyManifest } from '@consilium/package-runner';
import { createLogger, digestOf } from '@consilium/platform';
import { clientConfigSchema } from '@consilium/protocol';
import { parse } from 'yaml';
import { type CliOptions, type CliResult, consilium } from '../support/cli.js';
import { anyNats } from '../support/nats-servers.js';

describe('the command line and a platform that runs', { skip: anyNats.skip }, () => {
  let dir: string;
  let platform: RunningPlatform;
  let token: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'consilium-cli-'));
    platform = await startPlatform({
      dir: join(dir, 'up'),
      combiners: 1,
      log: createLogger({ service: 'test', level: 'silent' }),
      onEvent: () => {},
    });
    token = platform.adminToken!;
  });
  after(async () => {
    await platform?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  /** A person at a machine of their own. */
  async function person(name: string): Promise<string> {
    const home = join(dir, name);
    await mkdir(home, { recursive: true });
    return home;
  }

  async function admin(name: string): Promise<string> {
    const home = await person(name);
    succeeded(await consilium(['login', platform.url, '--token', token], { home }));
    return home;
  }

  async function json<T>(args: readonly string[], options: CliOptions): Promise<T> {
    return JSON.parse(succeeded(await consilium([...args, '--json'], options)).stdout) as T;
  }

  async function packageFolder(home: string, script: string, version = '1.0.0'): Promise<string> {
    const folder = join(home, 'pack');
    await mkdir(folder, { recursive: true });
    const yaml = `name: pack-of-${home.split('/').at(-1)}\nversion: ${version}\nruntime: process\nentry: {train: [sh, train.sh]}\n`;
    await writeFile(join(folder, 'package.yaml'), yaml);
    await writeFile(join(folder, 'train.sh'), script);
    return folder;
  }

  describe('login', () => {
    test('remembers address, token and key of the reducer, readable by its person alone', async () => {
      const home = await person('anna');
      const result = await json<Record<string, string>>(['login', `${platform.url}/api/v1/`], {
        home,
        input: `${token}\n`,
      });
      assert.equal(result.role, 'admin');
      assert.equal(result.reducer_key, platform.reducerKey);
      const file = join(home, 'config/consilium/contexts.json');
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      const { current, contexts } = JSON.parse(await readFile(file, 'utf8'));
      assert.deepEqual(contexts[current], { url: platform.url, token, key: platform.reducerKey });
    });

    test('takes the token from CONSILIUM_TOKEN too, and the context the name that is given', async () => {
      const home = await person('bert');
      const env = { CONSILIUM_TOKEN: token };
      succeeded(await consilium(['login', platform.url, '--name', 'alliance'], { home, env }));
      const [context] = await json<{ name: string; current: boolean }[]>(['context', 'list'], { home });
      assert.deepEqual([context?.name, context?.current], ['alliance', true]);
      succeeded(await consilium(['logout'], { home }));
      assert.deepEqual(await json(['context', 'list'], { home }), []);
      failed(await consilium(['clients'], { home }), 'CLI_NOT_LOGGED_IN', 4);
    });

    test('with a token that the reducer does not know is refused and leaves nothing behind', async () => {
      const home = await person('carl');
      const wrong = `cat_${'A'.repeat(43)}`;
      failed(
        await consilium(['login', platform.url, '--token', wrong], { home }),
        'TRUST_UNAUTHENTICATED',
        4,
      );
      await assert.rejects(stat(join(home, 'config/consilium/contexts.json')));
    });

    test('with half a token, none, or a join token says so and does not show it', async () => {
      const home = await person('dora');
      const half = await consilium(['login', platform.url, '--token', token.slice(0, 20)], { home });
      failed(half, 'CLI_BAD_TOKEN', 3);
      assert.ok(!half.stderr.includes(token.slice(0, 20)));
      failed(await consilium(['login', platform.url], { home, input: '' }), 'CLI_NO_TOKEN', 4);
      const join = `cjt_${'A'.repeat(43)}`;
      failed(await consilium(['login', platform.url, '--token', join], { home }), 'CLI_BAD_TOKEN', 3);
    });

    test('to what is no address, no server, or no reducer says which', async () => {
      const home = await person('emil');
      failed(await consilium(['login', 'localhost:80', '--token', token], { home }), 'CLI_BAD_URL', 3);
      failed(
        await consilium(['login', 'http://127.0.0.1:9', '--token', token], { home }),
        'CLI_UNREACHABLE',
        7,
      );
      const other = createServer((_, response) => response.end('<html>welcome</html>')).listen(
        0,
        '127.0.0.1',
      );
      try {
        await once(other, 'listening');
        const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
        failed(await consilium(['login', url, '--token', token], { home }), 'CLI_BAD_ANSWER', 7);
      } finally {
        other.close();
      }
    });

    test('to a reducer whose key has changed needs --accept-new-key', async () => {
      const home = await admin('frida');
      const file = join(home, 'config/consilium/contexts.json');
      const old = (await readFile(file, 'utf8')).replace(platform.reducerKey, `U${'A'.repeat(55)}`);
      await writeFile(file, old);
      failed(await consilium(['login', platform.url, '--token', token], { home }), 'CLI_KEY_CHANGED', 4);
      failed(await consilium(['client-config', 'create', '--name', 'x'], { home }), 'CLI_KEY_CHANGED', 4);
      assert.equal(await readFile(file, 'utf8'), old);
      succeeded(await consilium(['login', platform.url, '--token', token, '--accept-new-key'], { home }));
      assert.ok((await readFile(file, 'utf8')).includes(platform.reducerKey));
    });
  });

  describe('people and sites', () => {
    test('a new person may do what the role allows, and no more', async () => {
      const home = await admin('gerda');
      const made = await json<{ token: string }>(['user', 'create', '--name', 'maria', '--role', 'viewer'], {
        home,
      });
      const as = {
        home: await person('maria'),
        env: { CONSILIUM_URL: platform.url, CONSILIUM_TOKEN: made.token },
      };
      assert.deepEqual(await json(['clients'], as), []);
      failed(await consilium(['client-config', 'create', '--name', 'x'], as), 'TRUST_DENIED', 4);
      failed(await consilium(['clients', 'revoke', 'x'], { home }), 'CLIENT_NOT_FOUND', 5);
    });

    test('a person who is revoked may do nothing any more, and the last admin cannot be', async () => {
      const home = await admin('gustav');
      const args = ['user', 'create', '--name', 'karin', '--role', 'engineer'];
      const made = await json<{ token: string }>(args, { home });
      const as = { home, env: { CONSILIUM_URL: platform.url, CONSILIUM_TOKEN: made.token } };
      succeeded(await consilium(['package', 'list'], as));
      succeeded(await consilium(['user', 'revoke', 'karin'], { home }));
      failed(await consilium(['package', 'list'], as), 'TRUST_UNAUTHENTICATED', 4);
      assert.match(succeeded(await consilium(['user', 'list'], { home })).stdout, /^karin +revoked /m);
      failed(await consilium(['user', 'revoke', 'nobody'], { home }), 'USER_NOT_FOUND', 5);
      failed(await consilium(['user', 'revoke', 'admin'], { home }), 'TRUST_LAST_ADMIN', 6);
    });

    test('client-config create prints a client.yaml that a client accepts, with the own key as signer', async () => {
      const home = await admin('hugo');
      const { key } = await json<{ key: string }>(['package', 'key'], { home });
      const args = [
        'client-config',
        'create',
        '--name',
        'site-1',
        '--data',
        './my data',
        '--data-name',
        'Größe: "1"',
      ];
      const { stdout } = succeeded(await consilium(args, { home }));
      const config = clientConfigSchema.parse(parse(stdout));
      assert.equal(config.url, platform.url);
      assert.equal(config.reducer_key, platform.reducerKey);
      assert.deepEqual(config.data, { path: './my data', name: 'Größe: "1"' });
      assert.deepEqual(config.policy.allowed_signers, [key]);
    });

    test('client-config create --out never overwrites, and is readable by its person alone', async () => {
      const home = await admin('ida');
      const signer = `U${'A'.repeat(55)}`;
      const args = [
        'client-config',
        'create',
        '--name',
        'site-2',
        '--signer',
        signer,
        '--out',
        'client.yaml',
      ];
      succeeded(await consilium(args, { home }));
      const file = join(home, 'client.yaml');
      assert.equal((await stat(file)).mode & 0o777, 0o600);
      assert.deepEqual(clientConfigSchema.parse(parse(await readFile(file, 'utf8'))).policy.allowed_signers, [
        signer,
      ]);
      failed(await consilium(args, { home }), 'CLI_FILE_EXISTS', 6);
    });

    for (const [what, args] of [
      ['a name that is none', ['--name', 'Site 1']],
      ['a signer that is no key', ['--name', 'site-3', '--signer', 'SUAM']],
    ] as const) {
      test(`client-config create refuses ${what}, with the option`, async () => {
        const home = await admin('jan');
        const result = await consilium(['client-config', 'create', ...args], { home });
        failed(result, 'USAGE');
        assert.match(result.stderr, new RegExp(`where: ${args.at(-2)}`));
      });
    }

    test('a client runs in the foreground from that file, is listed, and can be shut out', async () => {
      const home = await admin('karla');
      await mkdir(join(home, 'data'));
      succeeded(
        await consilium(['client-config', 'create', '--name', 'site-9', '--out', 'client.yaml'], { home }),
      );
      const result = await consilium(['client', '-in', 'client.yaml'], {
        home,
        // A person's API token is not a client's join token.
        env: { CONSILIUM_TOKEN: token },
        signal: { name: 'SIGTERM', after: '"msg":"connected"' },
      });
      assert.equal(result.code, 0, result.stderr);
      const list = await json<{ client: string; revoked_at: string | null }[]>(['client', 'list'], { home });
      assert.equal(list.find(({ client }) => client === 'site-9')?.revoked_at, null);
      succeeded(await consilium(['clients', 'revoke', 'site-9'], { home }));
      assert.match(succeeded(await consilium(['clients', 'list'], { home })).stdout, /site-9 +revoked/);
      failed(await consilium(['client', '--in', 'nowhere.yaml'], { home }), 'CLIENT_CONFIG_MISSING', 5);
    });
  });

  describe('packages', () => {
    test('are published once; the same content again is no error, other content is', async () => {
      const home = await admin('lars');
      const folder = await packageFolder(home, 'echo one\n');
      const first = await json<{ new: boolean; digest: string; publisher: string }>(
        ['package', 'publish', folder],
        {
          home,
        },
      );
      assert.equal(first.new, true);
      const again = await json<{ new: boolean; digest: string }>(['package', 'publish', folder], { home });
      assert.deepEqual([again.new, again.digest], [false, first.digest]);
      await packageFolder(home, 'echo two\n');
      failed(await consilium(['package', 'publish', folder], { home }), 'PKG_VERSION_EXISTS', 6);
      await packageFolder(home, 'echo two\n', '1.0.1');
      succeeded(await consilium(['package', 'publish', folder], { home }));
      const all = await json<{ name: string; version: string; digest: string }[]>(['package', 'list'], {
        home,
      });
      const own = all.filter(({ name }) => name === 'pack-of-lars');
      assert.deepEqual(own.map(({ version }) => version).sort(), ['1.0.0', '1.0.1']);
      assert.equal(own.find(({ version }) => version === '1.0.0')?.digest, first.digest);
      const shown = await json<{ publisher: string }>(['package', 'show', 'pack-of-lars@1.0.0'], { home });
      assert.equal(shown.publisher, first.publisher);
    });

    test('are not published by a viewer', async () => {
      const home = await admin('mona');
      const { token: weak } = await json<{ token: string }>(
        ['user', 'create', '--name', 'v', '--role', 'viewer'],
        {
          home,
        },
      );
      const folder = await packageFolder(home, 'echo\n');
      failed(await consilium(['package', 'publish', folder, '--token', weak], { home }), 'TRUST_DENIED', 4);
    });

    test('are built into an archive and a manifest signed by the key that is given', async () => {
      const home = await person('nils');
      const folder = await packageFolder(home, 'echo\n');
      const args = ['package', 'build', folder, '--out', 'release', '--key-file', 'my.nk'];
      const built = await json<{ publisher: string }>(args, { home });
      assert.equal((await stat(join(home, 'my.nk'))).mode & 0o777, 0o600);
      const manifest = verifyManifest(
        JSON.parse(await readFile(join(home, 'release/manifest.json'), 'utf8')),
        {
          signers: [built.publisher],
        },
      );
      assert.equal(digestOf(await readFile(join(home, 'release/package.tgz'))), manifest.content.digest);
      const again = await json<{ digest: string }>(args, { home });
      assert.equal(again.digest, manifest.content.digest);
    });
  });

  test('doctor finds reducer, store and clock in order, and fails for a client.yaml that is not', async () => {
    const home = await admin('olga');
    const { checks } = await json<{ checks: { name: string; status: string }[] }>(['doctor'], { home });
    const status = Object.fromEntries(checks.map((check) => [check.name, check.status]));
    assert.deepEqual(
      [status.reducer, status['object store'], status.clock, status.proxy, status.node],
      ['ok', 'ok', 'ok', 'ok', 'ok'],
    );
    assert.ok(status.training === 'ok' || status.training === 'warn');
    await writeFile(join(home, 'client.yaml'), 'urll: http://127.0.0.1:1\n');
    const bad = await consilium(['doctor', '-i', 'client.yaml', '--json'], { home });
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /"name":"client.yaml","status":"fail","detail":"[^"]*CLIENT_UNKNOWN_KEY/);
  });

  test('doctor fails when the reducer does not answer or has another key', async () => {
    const home = await person('paul');
    const gone = await consilium(['doctor', '--json', '--url', 'http://127.0.0.1:9', '--token', token], {
      home,
    });
    assert.equal(gone.code, 1);
    assert.match(gone.stdout, /"name":"reducer","status":"fail","detail":"[^"]*CLI_UNREACHABLE/);
    const config = `url: ${platform.url}\nname: site-x\ndata: {path: ., name: d}\nstate: ../state\nreducer_key: U${'A'.repeat(55)}\n`;
    await mkdir(join(home, 'site'));
    await writeFile(join(home, 'site/client.yaml'), config);
    const other = await consilium(['doctor', '--json', '-i', 'site/client.yaml'], { home });
    assert.equal(other.code, 1);
    assert.match(other.stdout, /"name":"reducer","status":"fail","detail":"[^"]*trusted is UAAA/);
  });
});

function succeeded(result: CliResult): CliResult {
  assert.equal(result.code, 0, result.stderr);
  return result;
}

function failed(result: CliResult, error: string, exit?: number): void {
  assert.match(result.stderr, new RegExp(`^error ${error}: `, 'm'));
  assert.equal(result.stdout, '');
  if (exit !== undefined) assert.equal(result.code, exit);
  else assert.notEqual(result.code, 0);
}
