import { writeSync } from 'node:fs';

export interface ProgressEvent {
  readonly event: 'progress';
  readonly step: number;
  readonly steps?: number;
  readonly epoch?: number;
  readonly epochs?: number;
  readonly metrics?: Readonly<Record<string, number>>;
}

export interface BackendEvent {
  readonly event: 'backend';
  readonly name: string;
  readonly device: string;
}

export interface LogEvent {
  readonly event: 'log';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}

export type PackageEvent = ProgressEvent | BackendEvent | LogEvent;
export type EventSink = (event: PackageEvent) => void;

/** Blocks the thread; only ever for the moments in which a pipe is full. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/**
 * Writes each event as one JSON line to the file descriptor. Synchronous, so that a line written before
 * a crash has left the process. A reader that has gone away costs the events, never the training.
 */
export function fdSink(fd: number): EventSink {
  let open = true;
  return (event) => {
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    let written = 0;
    while (open && written < line.length) {
      try {
        written += writeSync(fd, line, written);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EAGAIN') {
          pause(2);
          continue;
        }
        open = false;
        process.stderr.write(`events: file descriptor ${fd} cannot be written (${code}); no more progress\n`);
      }
    }
  };
}

/** Human-readable lines on standard error, for a program started by hand. */
export const stderrSink: EventSink = (event) => {
  if (event.event === 'backend') {
    process.stderr.write(`backend ${event.name} on ${event.device}\n`);
  } else if (event.event === 'log') {
    process.stderr.write(`${event.level}: ${event.message}\n`);
  } else {
    const of = event.steps === undefined ? '' : `/${event.steps}`;
    const values = Object.entries(event.metrics ?? {}).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    process.stderr.write(`step ${event.step}${of} ${values.join(' ')}\n`);
  }
};

/** The sink the environment asks for: `CONSILIUM_EVENTS_FD`, or standard error when it is not set. */
export function sinkFromEnvironment(env: NodeJS.ProcessEnv): EventSink {
  const fd = Number(env.CONSILIUM_EVENTS_FD ?? '');
  return env.CONSILIUM_EVENTS_FD && Number.isInteger(fd) && fd > 0 ? fdSink(fd) : stderrSink;
}
