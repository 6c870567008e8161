import { createWriteStream, type WriteStream } from 'node:fs';

const tailBytes = 16_384;

/** What a program prints: the last 16 KiB in memory and, if asked for, a file that stops growing at a limit. */
export class TaskLog {
  readonly #file: WriteStream | undefined;
  readonly #fileLimit: number;
  #tail: Buffer = Buffer.alloc(0);
  #written = 0;
  #fileError: Error | undefined;

  /** @param fileLimit bytes kept in the file. */
  constructor(file: string | undefined, fileLimit: number) {
    this.#fileLimit = fileLimit;
    if (file === undefined) return;
    this.#file = createWriteStream(file, { flags: 'a', mode: 0o600 });
    this.#file.on('error', (error) => {
      this.#fileError = error;
    });
  }

  write(chunk: Buffer): void {
    this.#tail =
      chunk.length >= tailBytes
        ? chunk.subarray(-tailBytes)
        : Buffer.concat([this.#tail, chunk]).subarray(-tailBytes);
    if (this.#file === undefined || this.#written > this.#fileLimit) return;
    const room = this.#fileLimit - this.#written;
    this.#file.write(chunk.subarray(0, room));
    this.#written += chunk.length;
    if (this.#written > this.#fileLimit)
      this.#file.write('\n[the log is cut off here: it reached its limit]\n');
  }

  /** The last lines; a character cut in two at its beginning is left out. */
  tail(): string {
    let start = 0;
    while (start < 4 && ((this.#tail[start] ?? 0) & 0xc0) === 0x80) start += 1;
    const text = this.#tail.subarray(start).toString('utf8');
    return this.#fileError === undefined ? text : `${text}\n[log file: ${this.#fileError.message}]`;
  }

  async close(): Promise<void> {
    const file = this.#file;
    if (file === undefined || this.#fileError !== undefined) return;
    await new Promise<void>((resolve) => {
      file.once('close', () => resolve());
      file.end();
    });
  }
}
