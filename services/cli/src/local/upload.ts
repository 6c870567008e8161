import { stat } from 'node:fs/promises';
import { Digester, fileSource, uploadFile } from '@consilium/platform';
import { ConsiliumError, uploadCreatedSchema } from '@consilium/protocol';
import type { ApiClient } from '../core/api-client.js';

/** sha256 and size of a local file. @throws CLI_FILE */
export async function digestFile(path: string): Promise<{ digest: string; size: number }> {
  try {
    await stat(path);
  } catch (cause) {
    throw new ConsiliumError('CLI_FILE', String(cause), { where: path, cause });
  }
  const source = await fileSource(path);
  try {
    const digester = new Digester();
    for await (const chunk of source.stream()) digester.update(chunk);
    return { digest: digester.digest(), size: digester.size };
  } finally {
    await source.close();
  }
}

/** Brings a file into the reducer's store by signed URL; nothing is sent when it is there already. */
export async function uploadToReducer(
  api: ApiClient,
  path: string,
  onProgress?: (done: number, total: number) => void,
): Promise<{ digest: string; size: number }> {
  const { digest, size } = await digestFile(path);
  const first = await api.post('/uploads', { digest, size }, uploadCreatedSchema);
  if (first.exists) return { digest, size };
  let upload = first.upload;
  const getUpload = async () => {
    const now = upload ?? (await api.post('/uploads', { digest, size }, uploadCreatedSchema)).upload;
    upload = undefined;
    if (now === undefined) throw new ConsiliumError('STORE_EXISTS', `${digest} is there by now.`);
    return now as Awaited<ReturnType<Parameters<typeof uploadFile>[1]>>;
  };
  await uploadFile(path, getUpload, {
    digest,
    size,
    dispatcher: api.dispatcher,
    complete: (uploadId, parts) =>
      api.send('/uploads/complete', { digest, size, upload_id: uploadId, parts }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  return { digest, size };
}
