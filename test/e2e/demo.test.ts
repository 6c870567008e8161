import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { consilium } from '../support/cli.js';
import { natsBinaries } from '../support/nats-servers.js';
import { noneLeft, skipProcesses } from '../support/processes.js';
import { numpyPython, skipNumpy, skipS3cmd } from '../support/python.js';
import { needsS3Server, type S3Server, type S3ServerName, startS3Server } from '../support/s3-servers.js';

const run = promisify(execFile);
const recompute = fileURLToPath(new URL('../../fixtures/numpy/recompute.py', import.meta.url));
const rounds = 3;
const [oldNats, newNats] = natsBinaries;

const resultSchema = z.object({
  session: z.object({ state: z.string(), head: z.object({ number: z.number() }) }),
  rows: z.array(z.object({ model: z.string(), examples: z.number(), accuracy: z.number(), auc: z.number() })),
  trail_key: z.string(),
  nats: z.object({ version: z.string() }),
});
type DemoResult = z.infer<typeof resultSchema>;

/** Runs `consilium demo --json` in an empty folder, and looks that it ends with nothing left running. */
async function demo(dir: string, args: readonly string[]): Promise<DemoResult> {
  const all = ['demo', '--json', '--dir', join(dir, 'demo'), '--rounds', `${rounds}`, ...args];
  const { code, stdout, stderr } = await consilium(all, { home: dir });
  assert.equal(code, 0, stderr);
  if (skipProcesses === false) await noneLeft(dir);
  const result = resultSchema.parse(JSON.parse(stdout));
  assert.equal(result.session.state, 'finished');
  assert.equal(result.session.head.number, rounds);
  const sites = ['site-1 alone', 'site-2 alone', 'site-3 alone', 'site-4 alone'];
  assert.deepEqual(
    result.rows.map(({ model }) => model),
    [...sites, 'all data pooled', 'federated'],
  );
  const [pooled, federated] = result.rows.slice(-2);
  assert.equal(federated!.examples, pooled!.examples);
  assert.ok(federated!.auc > 0.9, `federated AUC ${federated!.auc}`);
  assert.ok(pooled!.auc > 0.9, `pooled AUC ${pooled!.auc}`);
  return result;
}

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'consilium-e2e-demo-'));
});
after(() => rm(dir, { recursive: true, force: true }));

test(`the demo on nats-server ${oldNats!.version} and the filesystem store`, {
  skip: oldNats!.skip,
}, async () => {
  const result = await demo(dir, ['--nats-server', oldNats!.path!]);
  assert.equal(result.nats.version, oldNats!.version);
  const place = join(dir, 'demo', 'store');
  await verifies(result, place);
  await numpyAgrees(place);
});

for (const name of ['minio', 'versitygw'] as const) {
  describe(`the demo on nats-server ${newNats!.version} and ${name}`, {
    skip: newNats!.skip || needsS3Server(name),
  }, () => {
    let server: S3Server;
    let result: DemoResult;
    before(async () => {
      server = await startS3Server(name);
    });
    after(() => server?.stop());

    test('trains, and the trail in the bucket verifies', async () => {
      const store = storeUrl(server);
      const folder = join(dir, name);
      await mkdir(folder);
      result = await demo(folder, ['--nats-server', newNats!.path!, '--store', store]);
      assert.equal(result.nats.version, newNats!.version);
      await verifies(result, store);
    });

    test('s3cmd shows the trail, and NumPy opens and recomputes what s3cmd fetched', {
      skip: skipS3cmd || skipNumpy,
    }, async () => {
      await seenByOthers(server, name);
    });
  });
}

function storeUrl({ endpoint, accessKey, secretKey }: S3Server): string {
  return `s3://${accessKey}:${secretKey}@${new URL(endpoint).host}`;
}

async function verifies(result: DemoResult, place: string): Promise<void> {
  const args = ['trail', 'verify', '--json', '--key', result.trail_key, '--store', place];
  const { code, stdout, stderr } = await consilium(args, { home: dir });
  assert.equal(code, 0, `${stdout}${stderr}`);
  const { ok, models, recomputed } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual({ ok, models, recomputed }, { ok: true, models: rounds + 1, recomputed: rounds });
}

async function numpyAgrees(buckets: string): Promise<void> {
  if (skipNumpy !== false) return;
  const { stdout } = await run(numpyPython, [recompute, buckets]);
  const { opened, recomputed, worst } = JSON.parse(stdout) as Record<string, number>;
  assert.deepEqual({ opened, recomputed }, { opened: rounds + 1, recomputed: rounds });
  // Half a unit in the last place is the exact mean, rounded once; float64's own sum adds next to nothing.
  assert.ok(worst! <= 0.5001, `${worst} units in the last place`);
}

/** Everything here is done by s3cmd and NumPy: none of our code reads the trail. */
async function seenByOthers(server: S3Server, name: S3ServerName): Promise<void> {
  const { host } = new URL(server.endpoint);
  const config = ['--config=/dev/null', '--no-ssl', `--host=${host}`, `--host-bucket=${host}`];
  const access = [`--access_key=${server.accessKey}`, `--secret_key=${server.secretKey}`];
  const s3cmd = async (...args: string[]) => (await run('s3cmd', [...config, ...access, ...args])).stdout;

  const listed = await s3cmd('ls', '--recursive', 's3://consilium-models/');
  const keys = [...listed.matchAll(/s3:\/\/consilium-models\/(\S+)/g)].map((match) => match[1]!);
  const shape = (key: string) => key.replace(/[0-9a-f]{64}/, '<id>');
  const expected = Array.from({ length: rounds + 1 }, (_, number) => {
    const folder = `trail/demo/${String(number).padStart(6, '0')}-<id>`;
    return [`${folder}/manifest.json`, `${folder}/weights.npz`];
  });
  assert.deepEqual(keys.map(shape).sort(), ['heads/demo.json', ...expected.flat()]);

  const copy = join(dir, `${name}-copy`);
  for (const bucket of ['consilium-models', 'consilium-work']) {
    await mkdir(join(copy, bucket), { recursive: true });
    await s3cmd('get', '--recursive', '--quiet', `s3://${bucket}/`, join(copy, bucket, '/'));
  }
  await numpyAgrees(copy);
}
