/**
 * Seconds and peak memory of the weighted mean of N float32 models from npz files on disk, beside NumPy reading
 * the same files.
 *
 *     npx tsc -b bench && node bench/dist/average.js [--clients 30] [--mb 20] [--arrays 20] [--repeat 3]
 *                                                   [--memory-mb 96] [--python python3] [--no-fill]
 *
 * What is timed: opening all files, reading them, adding, and writing the result to disk. Files are in the page
 * cache for both sides (each is read once before). Making them is not timed. Every repetition is a process of its
 * own, ours and NumPy's in turn; the peak is its largest resident set, the runtime included. NumPy's two ways:
 * float32 multiply-and-add (the fastest, inexact) and float64; both hold one model and one sum.
 * The last line printed is one JSON object.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { weightedMean } from '@consilium/aggregation';
import { type ByteSource, bytesOf, writeNpz } from '@consilium/tensor';

interface Outcome {
  readonly seconds: number;
  readonly peakMb: number;
  /** Largest difference from the exact mean on the elements that are compared. */
  readonly sample: readonly number[];
}

const { values: flags } = parseArgs({
  options: {
    clients: { type: 'string', default: '30' },
    mb: { type: 'string', default: '20' },
    arrays: { type: 'string', default: '20' },
    repeat: { type: 'string', default: '3' },
    'memory-mb': { type: 'string', default: '96' },
    python: { type: 'string', default: 'python3' },
    'no-fill': { type: 'boolean', default: false },
    once: { type: 'string' },
  },
});
const clients = Number(flags.clients);
const arrays = Number(flags.arrays);
const elements = Math.floor((Number(flags.mb) * 1e6) / 4 / arrays);
const weightOf = (client: number) => 10 + 7 * client;
const pathOf = (folder: string, client: number) => join(folder, `${client}.npz`);

/** Uniform numbers in [−0.5, 0.5) as float32, other ones for each client (xorshift32). */
function* randomArrays(client: number): Generator<Uint8Array> {
  let state = 0x9e3779b9 ^ Math.imul(client + 1, 0x85ebca6b);
  for (let k = 0; k < arrays; k++) {
    const values = new Float32Array(elements);
    for (let i = 0; i < elements; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      values[i] = (state >>> 8) / 2 ** 24 - 0.5;
    }
    yield bytesOf(values);
  }
}

async function makeFiles(folder: string): Promise<void> {
  for (let client = 0; client < clients; client++) {
    const data = randomArrays(client);
    const tensors = Array.from({ length: arrays }, (_, k) => ({
      name: String(k),
      dtype: 'float32' as const,
      shape: [elements],
      data: {
        *[Symbol.iterator]() {
          yield data.next().value as Uint8Array;
        },
      },
    }));
    await pipeline(writeNpz(tensors), createWriteStream(pathOf(folder, client)));
    await readFile(pathOf(folder, client));
  }
}

async function fileSource(path: string): Promise<{ source: ByteSource; handle: FileHandle }> {
  const handle = await open(path);
  const { size } = await handle.stat();
  const readInto = async (offset: number, target: Uint8Array) => {
    for (let at = 0; at < target.length; ) {
      const { bytesRead } = await handle.read(target, at, target.length - at, offset + at);
      if (bytesRead === 0) throw new Error(`${path} ended early`);
      at += bytesRead;
    }
  };
  const read = async (offset: number, length: number) => {
    const bytes = Buffer.allocUnsafeSlow(length);
    await readInto(offset, bytes);
    return bytes;
  };
  const source = flags['no-fill'] ? { size, read } : { size, read, readInto };
  return { source, handle };
}

async function averageOnce(folder: string): Promise<Outcome> {
  const out = join(folder, 'mean.npz');
  const started = process.hrtime.bigint();
  const files = [];
  for (let client = 0; client < clients; client++) files.push(await fileSource(pathOf(folder, client)));
  const updates = files.map(({ source }, i) => ({ source, weight: weightOf(i), label: `client ${i}` }));
  const mean = weightedMean(updates, { memoryBytes: Number(flags['memory-mb']) * 2 ** 20 });
  await pipeline(mean, createWriteStream(out));
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const peakMb = (process.resourceUsage().maxRSS * 1024) / 1e6;
  for (const { handle } of files) await handle.close();
  return { seconds, peakMb, sample: await sampleOf(out) };
}

/** The first elements of the first array, to hold the ways against each other. */
async function sampleOf(path: string): Promise<number[]> {
  const { source, handle } = await fileSource(path);
  const { openNpz } = await import('@consilium/tensor');
  const data = await (await openNpz(source)).readSlice('0', 0, Math.min(1000, elements));
  await handle.close();
  return Array.from(data as Float32Array);
}

const NUMPY = `
import json, resource, sys, time
import numpy as np
folder, clients, dtype = sys.argv[1], int(sys.argv[2]), np.dtype(sys.argv[3])
start = time.perf_counter()
total, sums = 0, None
for i in range(clients):
    w = 10 + 7 * i
    total += w
    with np.load(f"{folder}/{i}.npz") as f:
        if sums is None:
            sums = {k: np.zeros(f[k].shape, dtype) for k in f.files}
            product = np.empty(max(s.size for s in sums.values()), dtype)
        for k, s in sums.items():
            x = f[k]
            p = product[: x.size].reshape(x.shape)
            np.multiply(x, dtype.type(w), out=p)
            s += p
np.savez(f"{folder}/numpy.npz", **{k: (s / total).astype(np.float32) for k, s in sums.items()})
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
first = np.load(f"{folder}/numpy.npz")["0"][:1000]
print(json.dumps({"seconds": seconds, "peakMb": peak, "sample": [float(x) for x in first]}))
`;

function run(command: string, args: readonly string[]): Outcome | undefined {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 24 });
  if (done.status !== 0) {
    process.stderr.write(done.stderr ?? String(done.error));
    return undefined;
  }
  return JSON.parse(done.stdout.trim().split('\n').at(-1)!) as Outcome;
}

function summary(outcomes: readonly Outcome[]) {
  const seconds = outcomes.map((each) => each.seconds).sort((a, b) => a - b);
  const median = seconds[Math.floor(seconds.length / 2)]!;
  const peak = Math.max(...outcomes.map((each) => each.peakMb));
  const round = (value: number) => Number(value.toFixed(3));
  return { best: round(seconds[0]!), median: round(median), peakMb: Math.round(peak) };
}

async function main(): Promise<void> {
  if (flags.once !== undefined) {
    process.stdout.write(`${JSON.stringify(await averageOnce(flags.once))}\n`);
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'consilium-average-'));
  try {
    await makeFiles(folder);
    const hasNumpy = spawnSync(flags.python, ['-c', 'import numpy']).status === 0;
    if (!hasNumpy) console.log(`needs NumPy in ${flags.python} for the comparison; measuring ours alone`);
    const ours: Outcome[] = [];
    const numpy32: Outcome[] = [];
    const numpy64: Outcome[] = [];
    for (let round = 0; round < Number(flags.repeat); round++) {
      const self = [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--once', folder];
      push(ours, run(process.execPath, self));
      if (!hasNumpy) continue;
      push(numpy32, run(flags.python, ['-c', NUMPY, folder, String(clients), 'float32']));
      push(numpy64, run(flags.python, ['-c', NUMPY, folder, String(clients), 'float64']));
    }
    report({ ours, numpy32, numpy64 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function push(list: Outcome[], outcome: Outcome | undefined): void {
  if (outcome === undefined) throw new Error('a repetition failed');
  list.push(outcome);
}

function report(measured: Readonly<Record<'ours' | 'numpy32' | 'numpy64', readonly Outcome[]>>): void {
  console.log(`weighted mean of ${clients} × ${flags.mb} MB float32 in ${arrays} arrays, npz files on disk`);
  const rows = Object.entries(measured).filter(([, outcomes]) => outcomes.length > 0);
  const ours = summary(measured.ours);
  const exact = measured.numpy64[0]?.sample;
  const table = rows.map(([way, outcomes]) => {
    const each = summary(outcomes);
    const error = Math.max(0, ...outcomes[0]!.sample.map((x, i) => Math.abs(x - (exact?.[i] ?? x))));
    const ratio = Number((each.median / ours.median).toFixed(2));
    return { way, ...each, timesOurs: ratio, differsFromFloat64: error };
  });
  console.table(table);
  const { mb } = flags;
  console.log(JSON.stringify({ bench: 'average', clients, mb: Number(mb), arrays, rows: table }));
}

await main();
