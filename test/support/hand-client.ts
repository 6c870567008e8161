import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Bus,
  digestOf,
  type Identity,
  type SignedUpload,
  signDocument,
  uploadFile,
} from '@consilium/platform';
import {
  ConsiliumError,
  purposes,
  type ResultClaim,
  type ResultReply,
  type ResultRequest,
  resultReplySchema,
  type SignedClaim,
  subjects,
  type Task,
  type TasksMessage,
  tasksMessageSchema,
  type UpVerb,
  type UrlsReply,
  urlsReplySchema,
} from '@consilium/protocol';
import { collect, type TensorInput, writeNpz } from '@consilium/tensor';

/** A client driven by hand: it speaks the protocol and nothing happens by itself. */
export class HandClient {
  readonly name: string;
  readonly identity: Identity;
  readonly bus: Bus;
  /** What the combiner sent unasked, oldest first. */
  readonly pushed: TasksMessage[] = [];
  readonly #combiner: string;
  readonly #dir: string;

  constructor(name: string, identity: Identity, combiner: string, bus: Bus, dir: string) {
    this.name = name;
    this.identity = identity;
    this.bus = bus;
    this.#combiner = combiner;
    this.#dir = dir;
    bus.subscribe(subjects.down(name, 'tasks'), ({ value }) => {
      this.pushed.push(tasksMessageSchema.parse(value));
    });
  }

  async ask(verb: UpVerb, value: unknown, timeout = 30_000): Promise<unknown> {
    return await this.bus.request(subjects.up(this.#combiner, this.name, verb), value, { timeout });
  }

  async sync(): Promise<Task[]> {
    return tasksMessageSchema.parse(await this.ask('sync', { instance: 'by-hand-1', tasks: [] })).tasks;
  }

  async urls(request: { task: string; get?: string[]; put?: object }): Promise<UrlsReply> {
    return urlsReplySchema.parse(await this.ask('urls', request));
  }

  async send(request: unknown): Promise<ResultReply> {
    return resultReplySchema.parse(await this.ask('result', request));
  }

  event(value: object): void {
    this.bus.publish(subjects.up(this.#combiner, this.name, 'event'), value);
  }

  /** Uploads a model over the task's URLs, in one request or in parts. */
  async upload(task: string, model: Uint8Array): Promise<{ digest: string; size: number }> {
    const digest = digestOf(model);
    const size = model.length;
    const file = join(this.#dir, `${this.name}-${digest.slice(7, 23)}.npz`);
    await writeFile(file, model);
    const getUpload = async ({ uploadId }: { uploadId?: string }): Promise<SignedUpload> => {
      const more = uploadId === undefined ? {} : { upload_id: uploadId };
      const { put } = await this.urls({ task, put: { size, digest, ...more } });
      if (put === undefined) throw new Error('no upload was signed');
      return put as SignedUpload;
    };
    const complete = (upload_id: string, parts: readonly unknown[]) =>
      this.ask('complete', { task, digest, size, upload_id, parts });
    await uploadFile(file, getUpload, { digest, size, complete });
    return { digest, size };
  }

  /** A claim that fits the task. */
  claim(task: Task, changes: Partial<ResultClaim> = {}): ResultClaim {
    const { session, round, attempt, kind } = task;
    return {
      schema: 1,
      session,
      round,
      attempt,
      kind,
      client: this.name,
      base: task.inputs.weights?.digest ?? '',
      package: task.package.archive.digest,
      num_examples: 10,
      metrics: { loss: 0.25 },
      data_set: { name: 'by hand', files: 1, bytes: 1, digest: digestOf(Buffer.from('data')) },
      execution: { backend: 'cpu', isolation: 'none', duration_ms: 12 },
      completed_at: new Date().toISOString(),
      ...changes,
    };
  }

  sign(claim: ResultClaim, identity: Identity = this.identity): SignedClaim {
    const { key, value } = signDocument(purposes.result, claim, identity);
    return { claim, key, signature: value };
  }

  done(task: Task, claim: ResultClaim, size?: number): Extract<ResultRequest, { outcome: 'done' }> {
    const update_size = size === undefined ? {} : { update_size: size };
    return { outcome: 'done', task: task.id, signed: this.sign(claim), ...update_size };
  }

  /** The whole of a training task: upload the model, sign and send the result. */
  async train(task: Task, model: TensorInput[] | Uint8Array, num_examples: number) {
    const bytes = model instanceof Uint8Array ? model : await collect(writeNpz(model));
    const { digest, size } = await this.upload(task.id, bytes);
    const request = this.done(task, this.claim(task, { update: digest, num_examples }), size);
    return { request, reply: await this.send(request), digest, bytes };
  }

  /** The one task that holds. */
  async task(): Promise<Task> {
    const end = Date.now() + 20_000;
    while (Date.now() < end) {
      const [task] = await this.sync();
      if (task !== undefined) return task;
    }
    throw new ConsiliumError('TASK_UNKNOWN', `No task came for ${this.name}.`);
  }
}
