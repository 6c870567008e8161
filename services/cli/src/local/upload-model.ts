import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalNpz, openNpz } from '@consilium/tensor';
import type { ApiClient } from '../core/api-client.js';
import { uploadToReducer } from './upload.js';
import { withFiles, writeStream } from './weights-file.js';

/**
 * Brings a model into the reducer's store in the one canonical form of npz. What NumPy, or a package in another
 * language, wrote is as good a model as any, but models of a session are compared and summed by position.
 * @throws CLI_FILE, NPZ_* (not a valid npz), and what the upload throws
 */
export async function uploadModel(api: ApiClient, path: string): Promise<{ digest: string; size: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'consilium-model-'));
  try {
    const model = join(folder, 'model.npz');
    await withFiles([path], async ([source]) => writeStream(model, canonicalNpz(await openNpz(source!))));
    return await uploadToReducer(api, model);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
