import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildPackage, type PackageManifest, packPackage, signPackage } from '@consilium/package-runner';
import type { Identity } from '@consilium/platform';
import { packageViewSchema } from '@consilium/protocol';
import type { ApiClient } from '../core/api-client.js';
import { uploadToReducer } from './upload.js';

export interface SignedPackage {
  readonly manifest: PackageManifest;
  readonly archive: Uint8Array;
}

/** Builds, packs and signs a package folder. The same folder gives the same archive. */
export async function signedPackage(folder: string, identity: Identity): Promise<SignedPackage> {
  const work = await mkdtemp(join(tmpdir(), 'consilium-pack-'));
  try {
    const built = await buildPackage(resolve(folder), join(work, 'package'));
    const { content, archive } = await packPackage(built.folder);
    return { manifest: signPackage({ ...content, created_at: new Date().toISOString() }, identity), archive };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Uploads a signed package and registers it. @throws PKG_VERSION_EXISTS and what the registry refuses */
export async function publishPackage(
  api: ApiClient,
  { manifest, archive }: SignedPackage,
  onProgress?: (done: number, total: number) => void,
) {
  const work = await mkdtemp(join(tmpdir(), 'consilium-publish-'));
  try {
    const file = join(work, 'package.tgz');
    await writeFile(file, archive);
    await uploadToReducer(api, file, onProgress);
    return await api.post('/packages', { manifest }, packageViewSchema);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
