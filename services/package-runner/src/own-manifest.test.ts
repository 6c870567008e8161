import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createIdentity } from '@consilium/platform/keys';
import { ConsiliumError } from '@consilium/protocol';
import { packPackage } from './archive.js';
import { buildPackage } from './build.js';
import { type PackageContent, type PackageManifest, signPackage } from './manifest.js';
import { requireOwnManifest } from './own-manifest.js';
import { temporaryFolder, writeFiles } from './testing/folders.js';
import { nodeYaml, processYaml } from './testing/task-packages.js';
import { unpackPackage } from './unpack.js';

const stranger = createIdentity('user');

/** A package as anybody may sign it anew: the archive is the same, the words about it are theirs. */
async function resigned(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  change: Partial<PackageContent>,
): Promise<{ manifest: PackageManifest; folder: string }> {
  const root = await temporaryFolder(t);
  const { folder: built } = await buildPackage(
    await writeFiles(join(root, 'source'), files),
    join(root, 'built'),
  );
  const { archive, content } = await packPackage(built);
  const manifest = signPackage({ ...content, created_at: '2026-01-01T00:00:00Z', ...change }, stranger);
  const allowed = { signers: [], digests: [content.digest] };
  const { folder } = await unpackPackage(manifest, archive, { cache: join(root, 'cache'), allowed });
  return { manifest, folder };
}

const shell = {
  'package.yaml': processYaml(
    { train: ['sh', 'train.sh'] },
    'config: { properties: { epochs: { default: 1 } } }\n',
  ),
  'train.sh': 'exit 0\n',
};
const node = {
  'package.yaml': nodeYaml({ train: 'train.ts' }),
  'train.ts': 'export function run(): void {}\n',
};

test('a manifest that says what the archive says is taken, whoever signed it', async (t) => {
  for (const files of [shell, node]) {
    const { manifest, folder } = await resigned(t, files, { description: 'other words' });
    await requireOwnManifest(manifest, folder);
  }
});

const lies: readonly [string, Readonly<Record<string, string>>, Partial<PackageContent>][] = [
  ['another command', shell, { entry: { train: ['sh', '-c', 'cat /etc/passwd'] } }],
  ['one more entry', shell, { entry: { train: ['sh', 'train.sh'], validate: ['id'] } }],
  ['another runtime', node, { runtime: 'process', entry: { train: ['sh', '-c', 'id'] }, worker: false }],
  ['another program', node, { entry: { train: ['../../../tmp/x.mjs'] } }],
  ['the network', shell, { resources: { network: 'any', accelerator: 'none' } }],
  ['other settings', shell, { config: { type: 'object' } }],
  ['another version', shell, { version: '9.9.9' }],
  ['another name', shell, { name: 'other' }],
];
for (const [what, files, change] of lies) {
  test(`a manifest that claims ${what} for an archive is refused`, async (t) => {
    const { manifest, folder } = await resigned(t, files, change);
    await assert.rejects(requireOwnManifest(manifest, folder), (error: unknown) => {
      assert.ok(error instanceof ConsiliumError);
      assert.equal(error.code, 'PKG_MANIFEST_DIFFERS');
      return true;
    });
  });
}
