import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  asConsiliumError,
  type ConsiliumError,
  digestSchema,
  type ResultRequest,
  resultRequestSchema,
  type Task,
  taskId,
  taskSchema,
} from '@consilium/protocol';
import { readJsonFile, unwritable, writeJsonFile } from './state/json-file.js';

/** The update that a result speaks of, as a file in the task's folder. */
export interface StoredUpdate {
  readonly path: string;
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

/** A result on the disk: it is sent until acknowledged, across restarts. */
export interface StoredResult {
  readonly request: ResultRequest;
  /** Present until it has been uploaded. */
  readonly upload?: StoredUpdate;
}

export interface JournalEntry {
  readonly task: Task;
  /** Missing: the work was not finished; it starts anew if it still holds. */
  readonly result?: StoredResult;
}

/**
 * What this client has accepted and not got rid of, one folder a task: `task.json`, `update.npz`,
 * `result.json`. A result is only written when it is whole, and its file appears last, so that a client
 * killed at any moment finds either no result or one that can be sent.
 */
export class Journal {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The folder of a task; ids hold names, numbers and dots only (`taskId`). */
  folder(id: string): string {
    return join(this.#folder, id);
  }

  /** What is there from before. Damaged entries are removed and reported: their tasks can be done again. */
  async load(): Promise<{ entries: JournalEntry[]; damaged: ConsiliumError[] }> {
    await makeFolder(this.#folder);
    const entries: JournalEntry[] = [];
    const damaged: ConsiliumError[] = [];
    for (const name of (await readdir(this.#folder)).sort()) {
      try {
        const entry = await this.#read(name);
        if (entry === undefined) await this.remove(name);
        else entries.push(entry);
      } catch (error) {
        damaged.push(asConsiliumError(error));
        await this.remove(name);
      }
    }
    return { entries, damaged };
  }

  async #read(name: string): Promise<JournalEntry | undefined> {
    const stored = await readJsonFile(join(this.folder(name), 'task.json'));
    if (stored === undefined) return undefined;
    const task = taskSchema.parse(stored);
    if (taskId(task, task.client) !== name) throw new Error(`${name} holds another task: ${task.id}`);
    const result = await readJsonFile(join(this.folder(name), 'result.json'));
    return result === undefined ? { task } : { task, result: this.#parseResult(name, result) };
  }

  #parseResult(id: string, value: unknown): StoredResult {
    const { request, upload } = value as { request?: unknown; upload?: { digest?: unknown; size?: unknown } };
    const result = { request: resultRequestSchema.parse(request) };
    if (upload === undefined) return result;
    if (typeof upload.size !== 'number') throw new Error('the size of the update is missing');
    const digest = digestSchema.parse(upload.digest);
    return { ...result, upload: { path: this.updatePath(id), digest, size: upload.size } };
  }

  /** A fresh folder for a task; what was there from an earlier try is gone. */
  async accept(task: Task): Promise<string> {
    const folder = this.folder(task.id);
    await rm(folder, { recursive: true, force: true });
    await makeFolder(folder);
    await writeJsonFile(join(folder, 'task.json'), task);
    return folder;
  }

  updatePath(id: string): string {
    return join(this.folder(id), 'update.npz');
  }

  /** Makes the update durable under its final name; `result` follows. @throws CLIENT_STATE_UNWRITABLE */
  async keepUpdate(id: string, file: string): Promise<void> {
    try {
      const handle = await open(file, 'r+');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(file, this.updatePath(id));
    } catch (cause) {
      throw unwritable(this.updatePath(id), cause);
    }
  }

  async saveResult(id: string, result: StoredResult): Promise<void> {
    const upload =
      result.upload === undefined
        ? {}
        : { upload: { digest: result.upload.digest, size: result.upload.size } };
    await writeJsonFile(join(this.folder(id), 'result.json'), { request: result.request, ...upload });
  }

  async remove(id: string): Promise<void> {
    await rm(this.folder(id), { recursive: true, force: true, maxRetries: 3 });
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unwritable(dirname(path), cause);
  }
}
