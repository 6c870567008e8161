import {
  type CompleteRequest,
  ConsiliumError,
  type ObjectRef,
  type Order,
  type UrlsReply,
  type UrlsRequest,
} from '@consilium/protocol';
import { checkUpdateSize } from '../claim-rules.js';
import type { Context } from '../context.js';
import type { PhaseState } from '../phase-state.js';
import type { Phases } from '../phases.js';
import { namedObject, updateRef } from '../update-limits.js';
import { heldPhase } from './held-task.js';

/** Gives clients URLs for the objects of tasks that hold, and for nothing else. */
export class TaskObjects {
  readonly #context: Context;
  readonly #phases: Phases;

  constructor(context: Context, phases: Phases) {
    this.#context = context;
    this.#phases = phases;
  }

  /** @throws ConsiliumError TASK_*, UPDATE_TOO_LARGE, STORE_EXISTS (the update is there), STORE_* */
  async urls(client: string, request: UrlsRequest): Promise<UrlsReply> {
    const { store, settings } = this.#context;
    const phase = await heldPhase(this.#phases, request.task, client, this.#context.now());
    const { order } = phase;
    // Every name is looked up before anything is signed: a request is granted whole or refused.
    const wanted = request.get.map((name) => ({ name, ref: objectOf(order, name) }));
    const put = request.put === undefined ? undefined : this.#updateOf(phase, client, request.put);
    const get: UrlsReply['get'] = {};
    for (const { name, ref } of wanted) {
      const { url, expiresAt } = await store.signGet(ref.bucket, ref.key, settings.urlSeconds);
      get[name] = { url, expiresAt };
    }
    if (put === undefined) return { get };
    const { digest, size } = put;
    const uploadId = request.put?.upload_id;
    if (uploadId === undefined) phase.requireRoom(client);
    const upload = { digest, size, writeOnce: true, ...(uploadId === undefined ? {} : { uploadId }) };
    const signed = await store.signPut(put.bucket, put.key, upload, settings.urlSeconds);
    if (uploadId === undefined && signed.kind === 'multipart') phase.noteBegun(client);
    // The store's answer is plain JSON of the message's shape; its members are read-only, the message's are not.
    return { get, put: structuredClone(signed) as NonNullable<UrlsReply['put']> };
  }

  /** Ends a multipart upload. Safe to repeat. @throws ConsiliumError TASK_*, UPDATE_TOO_LARGE, STORE_* */
  async complete(client: string, request: CompleteRequest): Promise<Record<string, never>> {
    const phase = await heldPhase(this.#phases, request.task, client, this.#context.now());
    const { bucket, key, digest, size } = this.#updateOf(phase, client, request);
    await this.#context.store.completeUpload(bucket, key, {
      uploadId: request.upload_id,
      digest,
      size,
      parts: request.parts,
      writeOnce: true,
    });
    return {};
  }

  #updateOf(phase: PhaseState, client: string, file: { digest: string; size: number }): ObjectRef {
    const { order } = phase;
    if (order.template.kind !== 'train') {
      throw new ConsiliumError('TASK_NO_UPDATE', `It is a "${order.template.kind}" task.`, { where: 'put' });
    }
    checkUpdateSize(file.size, order, this.#context.settings.sizeFactor, 'put.size');
    phase.noteUpdate(client, file.digest);
    return updateRef(order, client, file.digest, file.size);
  }
}

function objectOf(order: Order, name: string): ObjectRef {
  const ref = namedObject(order, name);
  if (ref !== undefined) return ref;
  throw new ConsiliumError('TASK_NO_OBJECT', `It names no "${name.slice(0, 100)}".`, { where: 'get' });
}
