import { ConsiliumError } from '@consilium/protocol/errors';

/** Takes exact lengths from a stream of chunks. */
export class ByteCursor {
  readonly #chunks: AsyncGenerator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncGenerator<Uint8Array>) {
    this.#chunks = chunks;
  }

  /** The next `length` bytes in a new array. Throws NPZ_TRUNCATED, or what the stream throws. */
  async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) {
          throw new ConsiliumError('NPZ_TRUNCATED', `The stream ends after ${at} of ${length} bytes.`);
        }
        this.#rest = next.value;
      }
      const part = this.#rest.subarray(0, length - at);
      bytes.set(part, at);
      at += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return bytes;
  }

  /** Runs the stream to its end, where an npz reader checks the CRC. */
  async finish(): Promise<void> {
    while (!(await this.#chunks.next()).done);
  }

  /** Gives the stream up. */
  async close(): Promise<void> {
    await this.#chunks.return(undefined);
  }
}
