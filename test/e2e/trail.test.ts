import assert from 'node:assert/strict';
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { consilium } from '../support/cli.js';
import { Federation } from '../support/federation.js';
import { assertWhole, gatePackage, gateSites } from '../support/gate.js';
import { anyNats } from '../support/nats-servers.js';

const rounds = 2;

/** What must be said about a file that is no more what was signed. */
const codeOf: readonly (readonly [RegExp, string])[] = [
  [/^consilium-models\/heads\//, 'TRAIL_BAD_HEADS'],
  [/manifest\.json$/, 'TRAIL_BAD_MANIFEST'],
  [/weights\.npz$/, 'TRAIL_BAD_WEIGHTS'],
  [/package\.tgz$/, 'TRAIL_BAD_PACKAGE'],
  [/^consilium-work\/updates\//, 'TRAIL_BAD_UPDATE'],
];

interface Verdict {
  readonly code: number | null;
  readonly ok: boolean;
  readonly recomputed: number;
  readonly findings: readonly { code: string; number: number | null; where?: string }[];
}

describe('consilium trail verify, on a copy of the store', { skip: anyNats.skip }, () => {
  let federation: Federation;
  let copy: string;
  before(async () => {
    federation = await Federation.start({ natsServer: anyNats.path! });
    await federation.publish(gatePackage);
    for (const site of await gateSites(federation, 2)) await site.start();
    await federation.startSession('audited', 'gate', [`rounds=${rounds}`, 'clients_required=2', 'quorum=2']);
    await assertWhole(federation, 'audited', rounds);
    copy = join(federation.dir, 'copy');
  });
  after(() => federation?.close());

  const fresh = async () => {
    await rm(copy, { recursive: true, force: true });
    await cp(join(federation.dir, 'store'), copy, { recursive: true });
  };

  async function verify(key = federation.reducerKey): Promise<Verdict> {
    const args = ['trail', 'verify', '--json', '--key', key, '--store', copy];
    const { code, stdout, stderr } = await consilium(args, { home: federation.dir });
    assert.notEqual(stdout, '', stderr);
    return { code, ...(JSON.parse(stdout) as Omit<Verdict, 'code'>) };
  }

  /** Files of the trail by their path below the store: models, package and kept updates. */
  async function files(): Promise<string[]> {
    const names = await readdir(copy, { recursive: true, withFileTypes: true });
    return names
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(copy.length + 1))
      .filter((name) => /^consilium-(models|packages)\/|^consilium-work\/updates\//.test(name))
      .filter((name) => !name.includes('/.'))
      .sort();
  }

  const manifestOf = async (number: number) => {
    const prefix = `consilium-models/trail/audited/${String(number).padStart(6, '0')}-`;
    return join(copy, (await files()).find((name) => name.startsWith(prefix) && name.endsWith('.json'))!);
  };

  test('passes as it was written, and recomputes every model', async () => {
    await fresh();
    const verdict = await verify();
    assert.deepEqual(verdict.findings, []);
    assert.deepEqual([verdict.code, verdict.ok, verdict.recomputed], [0, true, rounds]);
  });

  test('fails under a key that is not the reducer’s', async () => {
    await fresh();
    const verdict = await verify(federation.publisher.publicKey);
    assert.deepEqual([verdict.code === 0, verdict.ok], [false, false]);
    assert.ok(verdict.findings.some(({ code }) => code === 'TRAIL_BAD_HEADS'));
  });

  test('names every object of which one byte was changed', async () => {
    await fresh();
    const names = await files();
    // Heads, three models of two files, the package's two, two updates a round.
    assert.equal(names.length, 1 + 2 * (rounds + 1) + 2 + 2 * rounds, names.join('\n'));
    for (const name of names) {
      const path = join(copy, name);
      const bytes = await readFile(path);
      const changed = Buffer.from(bytes);
      const middle = Math.floor(changed.length / 2);
      changed[middle] = changed[middle]! ^ 1;
      await writeFile(path, changed);
      const verdict = await verify();
      await writeFile(path, bytes);
      assert.notEqual(verdict.code, 0, name);
      const isPackage = name.startsWith('consilium-packages/');
      const code = isPackage ? 'TRAIL_BAD_PACKAGE' : codeOf.find(([pattern]) => pattern.test(name))![1];
      const found = verdict.findings.map((finding) => `${finding.code} ${finding.where}`);
      assert.ok(
        verdict.findings.some((finding) => finding.code === code && finding.where?.includes(placeOf(name))),
        `${name} is not named: ${found.join(', ')}`,
      );
    }
    assert.equal((await verify()).code, 0);
  });

  for (const number of [0, 1, rounds]) {
    test(`fails when manifest ${number} of 0 to ${rounds} is dropped`, async () => {
      await fresh();
      await rm(await manifestOf(number));
      const verdict = await verify();
      assert.notEqual(verdict.code, 0);
      assert.ok(verdict.findings.some((f) => f.code === 'TRAIL_MISSING_MANIFEST' && f.number === number));
    });
  }

  test('fails when the newest model is dropped whole, and when heads goes with it', async () => {
    await fresh();
    await rm(join(await manifestOf(rounds), '..'), { recursive: true });
    const verdict = await verify();
    assert.notEqual(verdict.code, 0);
    assert.ok(verdict.findings.some((f) => f.code === 'TRAIL_MISSING_MANIFEST' && f.number === rounds));
    await rm(join(copy, 'consilium-models', 'heads'), { recursive: true });
    const without = await verify();
    assert.notEqual(without.code, 0);
    assert.ok(without.findings.some((f) => f.code === 'TRAIL_BAD_HEADS'));
  });

  test('fails when two manifests are swapped, and when two models’ weights are', async () => {
    for (const file of ['manifest.json', 'weights.npz']) {
      await fresh();
      const [one, two] = [await manifestOf(1), await manifestOf(2)].map((path) => join(path, '..', file));
      await rename(one!, `${one}.aside`);
      await rename(two!, one!);
      await rename(`${one}.aside`, two!);
      const verdict = await verify();
      assert.notEqual(verdict.code, 0, file);
      const code = file === 'manifest.json' ? 'TRAIL_SWAPPED' : 'TRAIL_BAD_WEIGHTS';
      const numbers = verdict.findings.filter((f) => f.code === code).map((f) => f.number);
      assert.ok(numbers.includes(2), `${file}: ${JSON.stringify(verdict.findings)}`);
    }
  });
});

/** What the finding's place must contain. */
function placeOf(name: string): string {
  return name.split('/').slice(1).join('/');
}
