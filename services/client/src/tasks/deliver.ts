import { type SentPart, type SignedUpload, uploadFile } from '@consilium/platform';
import { asConsiliumError, ConsiliumError, type ResultReply, type Task } from '@consilium/protocol';
import type { StoredResult, StoredUpdate } from '../journal.js';
import { requireObjectAddress } from '../objects/address.js';
import { retrying } from '../retry.js';
import type { TaskContext } from './context.js';
import { failedRequest } from './endings.js';

/**
 * Uploads what a result speaks of and sends it until it is answered, however long that takes.
 * @throws ConsiliumError when the combiner does not want it at all (a task of another client, a bad message);
 *   the reason of the signal
 */
export async function deliver(
  task: Task,
  stored: StoredResult,
  context: TaskContext,
  signal: AbortSignal,
): Promise<{ reply: ResultReply; sent: StoredResult }> {
  const { link, clock, log } = context;
  const sent = await uploaded(task, stored, context, signal);
  const reply = await retrying(() => link.result(sent.request, signal), {
    clock,
    signal,
    cap: 10_000,
    onRetry: (error, attempt, retry_ms) =>
      log.warn(
        { task: task.id, attempt, retry_ms, code: error.code, reason: error.detail },
        'the result is sent again',
      ),
  });
  return { reply, sent };
}

async function uploaded(
  task: Task,
  stored: StoredResult,
  context: TaskContext,
  signal: AbortSignal,
): Promise<StoredResult> {
  if (stored.upload === undefined) return stored;
  const { journal, audit, log } = context;
  let next: StoredResult;
  try {
    await upload(task, stored.upload, context, signal);
    next = { request: stored.request };
    const { digest, size } = stored.upload;
    await audit.append('update.uploaded', { task: task.id, digest, size });
  } catch (thrown) {
    signal.throwIfAborted();
    // An update that cannot be brought is a failure of the task, which the combiner must learn of.
    next = { request: failedRequest(task, asConsiliumError(thrown), '') };
  }
  // Without it a restart would upload once more, which the store answers with "already there".
  await journal.saveResult(task.id, next).catch((error: unknown) => {
    log.error({ task: task.id, err: error }, 'the journal cannot be written');
  });
  return next;
}

async function upload(
  task: Task,
  { path, digest, size }: StoredUpdate,
  { config, link, dispatcher, clock, log }: TaskContext,
  signal: AbortSignal,
): Promise<void> {
  const getUpload = async ({ uploadId }: { readonly uploadId?: string }) => {
    const put = { digest, size, ...(uploadId === undefined ? {} : { upload_id: uploadId }) };
    const reply = await link.urls({ task: task.id, get: [], put }, signal);
    // The message is the store's own answer; the schema's type merely allows an explicit `done: undefined`.
    if (reply.put !== undefined) {
      const urls = reply.put.kind === 'single' ? [reply.put.url] : reply.put.parts.map(({ url }) => url);
      for (const url of urls) requireObjectAddress(url, config);
      return reply.put as SignedUpload;
    }
    throw new ConsiliumError('BUS_BAD_MESSAGE', 'The answer has no URL for the update.', { where: task.id });
  };
  const complete = (uploadId: string, parts: readonly SentPart[]) =>
    link.complete({ task: task.id, digest, size, upload_id: uploadId, parts: [...parts] }, signal);
  await retrying(() => uploadFile(path, getUpload, { digest, size, dispatcher, signal, complete }), {
    clock,
    signal,
    onRetry: (error, attempt, retry_ms) =>
      log.warn(
        { task: task.id, attempt, retry_ms, code: error.code, reason: error.detail },
        'the upload is tried again',
      ),
  });
}
