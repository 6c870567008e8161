import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createIdentity } from '@consilium/platform';
import { buckets, type ModelManifest, objectKeys } from '@consilium/protocol';
import { documentBytes, makeHeads, makeManifest } from './documents.js';
import { objectPath, type SampleTrail, sampleTrail, signClaim } from './testing/sample-trail.js';
import { verifySession } from './verify.js';

async function codes(trail: SampleTrail, options: { recompute?: boolean } = {}): Promise<string[]> {
  const key = trail.reducer.publicKey;
  const result = await verifySession(trail.source, 'sample', { key, ...options });
  return [...new Set(result.findings.map((finding) => finding.error.code))].sort();
}

function pathOf(trail: SampleTrail, number: number, file: 'manifest' | 'weights'): string {
  return objectPath(buckets.models, objectKeys[file]('sample', number, trail.heads[number]!.id));
}

function readJson<T>(trail: SampleTrail, path: string): T {
  return JSON.parse(Buffer.from(trail.objects.get(path)!).toString('utf8')) as T;
}

test('a trail as it was written verifies, and every model is recomputed', async () => {
  const trail = await sampleTrail(3);
  const result = await verifySession(trail.source, 'sample', { key: trail.reducer.publicKey });
  assert.deepEqual(result.findings, []);
  assert.equal(result.models.length, 4);
  assert.equal(result.recomputed, 3);
});

test('one changed bit in any byte position looked at, of any object, is found', async () => {
  const trail = await sampleTrail(2);
  for (const [path, bytes] of [...trail.objects]) {
    for (const at of [0, Math.floor(bytes.length / 2), bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ 1;
      trail.objects.set(path, changed);
      assert.notDeepEqual(await codes(trail), [], `${path}, byte ${at}`);
    }
    trail.objects.set(path, bytes);
  }
  assert.deepEqual(await codes(trail), []);
});

test('any object that is missing is found', async () => {
  const trail = await sampleTrail(2);
  for (const [path, bytes] of [...trail.objects]) {
    trail.objects.delete(path);
    assert.notDeepEqual(await codes(trail), [], path);
    trail.objects.set(path, bytes);
  }
});

describe('what is wrong is named', () => {
  test('a dropped manifest in the middle, and the newest', async () => {
    for (const number of [1, 3]) {
      const trail = await sampleTrail(3);
      trail.objects.delete(pathOf(trail, number, 'manifest'));
      assert.ok((await codes(trail)).includes('TRAIL_MISSING_MANIFEST'), String(number));
    }
  });

  test('the newest model dropped together with heads rolled back by somebody without the key', async () => {
    const trail = await sampleTrail(3);
    const headsPath = objectPath(buckets.models, objectKeys.heads('sample'));
    const { content } = readJson<{ content: Parameters<typeof makeHeads>[0] }>(trail, headsPath);
    const rolled = { ...content, count: 3, sequence: 3, latest: trail.heads[2]! };
    trail.objects.set(headsPath, documentBytes(makeHeads(rolled, createIdentity('user'))));
    trail.objects.delete(pathOf(trail, 3, 'manifest'));
    assert.ok((await codes(trail)).includes('TRAIL_BAD_HEADS'));
  });

  test('two swapped manifests', async () => {
    const trail = await sampleTrail(3);
    const [first, second] = [pathOf(trail, 1, 'manifest'), pathOf(trail, 2, 'manifest')];
    const one = trail.objects.get(first)!;
    trail.objects.set(first, trail.objects.get(second)!);
    trail.objects.set(second, one);
    assert.ok((await codes(trail)).includes('TRAIL_SWAPPED'));
  });

  test('weights that are not those of the manifest, a changed update, a changed package', async () => {
    const trail = await sampleTrail(1);
    trail.objects.set(pathOf(trail, 1, 'weights'), trail.objects.get(pathOf(trail, 0, 'weights'))!);
    assert.deepEqual(await codes(trail), ['TRAIL_BAD_WEIGHTS']);

    const second = await sampleTrail(1);
    const update = [...second.objects.keys()].find((path) => path.includes('/updates/'))!;
    second.objects.set(update, Buffer.from('other'));
    assert.deepEqual(await codes(second), ['TRAIL_BAD_UPDATE']);

    const third = await sampleTrail(1);
    third.objects.set(objectPath(buckets.packages, 'pack/1.0.0/package.tgz'), Buffer.from('other'));
    assert.deepEqual(await codes(third), ['TRAIL_BAD_PACKAGE']);
  });

  test('a wrong key: nothing is believed', async () => {
    const trail = await sampleTrail(1);
    const key = createIdentity('user').publicKey;
    const result = await verifySession(trail.source, 'sample', { key });
    assert.ok(result.findings.some((finding) => finding.error.code === 'TRAIL_BAD_HEADS'));
    assert.equal(result.models.length, 0);
  });

  test('a session that is not there', async () => {
    const trail = await sampleTrail(1);
    const verify = verifySession(trail.source, 'other', { key: trail.reducer.publicKey });
    await assert.rejects(verify, { code: 'TRAIL_NO_SESSION' });
  });
});

describe('a reducer that lies is found out by the claims of the sites', () => {
  /** Replaces the newest manifest by one that the reducer itself signs, with heads to match. */
  async function forge(change: (manifest: ModelManifest, trail: SampleTrail) => void): Promise<SampleTrail> {
    const trail = await sampleTrail(1);
    const manifest = readJson<ModelManifest>(trail, pathOf(trail, 1, 'manifest'));
    change(manifest, trail);
    const forged = makeManifest(manifest.content, trail.reducer);
    const weights = trail.objects.get(pathOf(trail, 1, 'weights'))!;
    const bytes = documentBytes(forged);
    const { digestOf } = await import('@consilium/platform');
    trail.objects.set(objectPath(buckets.models, objectKeys.manifest('sample', 1, forged.id)), bytes);
    trail.objects.set(objectPath(buckets.models, objectKeys.weights('sample', 1, forged.id)), weights);
    const headsPath = objectPath(buckets.models, objectKeys.heads('sample'));
    const { content } = readJson<{ content: Parameters<typeof makeHeads>[0] }>(trail, headsPath);
    const latest = { number: 1, id: forged.id, manifest_digest: digestOf(bytes) };
    trail.objects.set(headsPath, documentBytes(makeHeads({ ...content, latest, best: null }, trail.reducer)));
    return trail;
  }

  test('a weight that the site did not claim', async () => {
    const trail = await forge(({ content }) => {
      content.contributions[0]!.weight += 1;
    });
    assert.ok((await codes(trail)).includes('TRAIL_BAD_CLAIM'));
  });

  test('an example count changed in the claim', async () => {
    const trail = await forge(({ content }) => {
      content.contributions[0]!.signed.claim.num_examples += 1;
    });
    assert.ok((await codes(trail, { recompute: false })).includes('TRAIL_BAD_CLAIM'));
  });

  test('a contribution left out, so that the weights do not follow', async () => {
    const trail = await forge(({ content }) => {
      const [first] = content.contributions.splice(0, 1);
      content.num_examples -= first!.signed.claim.num_examples;
    });
    assert.ok((await codes(trail)).includes('TRAIL_NOT_RECOMPUTED'));
  });

  test('a contribution counted twice', async () => {
    const trail = await forge(({ content }) => {
      content.contributions.push(content.contributions[0]!);
      content.num_examples += content.contributions[0]!.signed.claim.num_examples;
    });
    assert.ok((await codes(trail, { recompute: false })).includes('TRAIL_BAD_CLAIM'));
  });

  test('metrics that nobody reported', async () => {
    const trail = await forge(({ content }) => {
      content.metrics.auc = 0.999;
    });
    assert.ok((await codes(trail)).includes('TRAIL_BAD_SUM'));
  });

  test('a claim of a site signed with another key, when the caller knows the right one', async () => {
    const trail = await forge(({ content }) => {
      const first = content.contributions[0]!;
      first.signed = signClaim(first.signed.claim, createIdentity('user'));
    });
    assert.deepEqual(await codes(trail), []);
    const siteKeys = new Map([...trail.sites].map(([name, identity]) => [name, identity.publicKey]));
    const result = await verifySession(trail.source, 'sample', { key: trail.reducer.publicKey, siteKeys });
    assert.ok(result.findings.some((finding) => finding.error.code === 'TRAIL_BAD_CLAIM'));
  });

  test('a model that was never committed is an orphan, not a finding', async () => {
    const trail = await forge(() => undefined);
    const stray = objectPath(buckets.models, objectKeys.weights('sample', 2, 'e'.repeat(64)));
    trail.objects.set(stray, Buffer.from('x'));
    const result = await verifySession(trail.source, 'sample', { key: trail.reducer.publicKey });
    assert.deepEqual(result.findings, []);
    assert.equal(result.orphans.length, 1);
  });
});
