import { StringDecoder } from 'node:string_decoder';
import { z } from 'zod';
import type { TaskEvent } from './contract.js';

const number = z.number();
const text = z.string();
const eventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('backend'), name: text.min(1).max(100), device: text.max(200).optional() }),
  z.object({
    event: z.literal('progress'),
    step: number.optional(),
    steps: number.optional(),
    epoch: number.optional(),
    epochs: number.optional(),
    metrics: z
      .record(text.min(1).max(100), number)
      .refine((metrics) => Object.keys(metrics).length <= 100)
      .optional(),
  }),
  z.object({
    event: z.literal('log'),
    level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
    message: text.transform((message) => message.slice(0, 2000)),
  }),
]);

/** A warm worker's answer. */
const doneSchema = z.object({
  event: z.literal('done'),
  task: text,
  ok: z.boolean(),
  error: z.object({ message: text, stack: text.optional() }).optional(),
  /** The module exports no `run`. */
  incapable: z.boolean().optional(),
});
export type WorkerAnswer = z.infer<typeof doneSchema>;

const longestLine = 65_536;
const linesPerSecond = 50;
const burst = 200;

/**
 * Turns what a program writes to descriptor 3 into events. What is too long, too fast or not
 * understood is dropped and counted: a package must not be able to flood its site.
 */
export class EventReader {
  dropped = 0;
  readonly #decoder = new StringDecoder('utf8');
  readonly #onEvent: (event: TaskEvent) => void;
  readonly #onAnswer: ((answer: WorkerAnswer) => void) | undefined;
  readonly #now: () => number;
  #line = '';
  #skipping = false;
  #tokens = burst;
  #refilled: number;

  /** @param options.now milliseconds, from a clock that never goes back. */
  constructor(options: {
    onEvent: (event: TaskEvent) => void;
    onAnswer?: (answer: WorkerAnswer) => void;
    now?: () => number;
  }) {
    this.#onEvent = options.onEvent;
    this.#onAnswer = options.onAnswer;
    this.#now = options.now ?? (() => performance.now());
    this.#refilled = this.#now();
  }

  write(chunk: Uint8Array): void {
    const lines = this.#decoder.write(Buffer.from(chunk)).split('\n');
    for (const [index, part] of lines.entries()) {
      if (index > 0) this.#endLine();
      this.#line = this.#skipping ? '' : this.#line + part;
      if (this.#line.length > longestLine) {
        this.#skipping = true;
        this.#line = '';
      }
    }
  }

  /** A last line without an end counts. */
  end(): void {
    if (this.#line !== '' || this.#skipping) this.#endLine();
  }

  #endLine(): void {
    const line = this.#line.trim();
    const tooLong = this.#skipping;
    this.#line = '';
    this.#skipping = false;
    if (line === '' && !tooLong) return;
    if (tooLong || !this.#take(parse(line))) this.dropped += 1;
  }

  #take(value: unknown): boolean {
    const answer = this.#onAnswer === undefined ? undefined : doneSchema.safeParse(value);
    if (answer?.success === true) {
      this.#onAnswer?.(answer.data);
      return true;
    }
    const event = eventSchema.safeParse(value);
    if (!event.success || !this.#hasToken()) return false;
    this.#onEvent(event.data as TaskEvent);
    return true;
  }

  #hasToken(): boolean {
    const now = this.#now();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#refilled) / 1000) * linesPerSecond);
    this.#refilled = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
