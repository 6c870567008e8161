import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type EntryName, entryNames, parseSettings } from '@consilium/package-runner';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { collect, type GlobalOptions, openSession } from '../core/command.js';
import { formatBytes, formatMetrics, type Output } from '../core/output.js';
import { withBuiltPackage } from '../local/run-entry.js';
import { type EntryOutcome, runLocally } from '../package/local-session.js';
import { backendText, showTask } from '../package/task-progress.js';
import { withTempFolder } from '../package/temp-folder.js';

interface RunOptions extends GlobalOptions {
  readonly data?: string;
  readonly weights?: string;
  readonly input?: string;
  readonly validate?: string;
  readonly out?: string;
  readonly state?: string;
  readonly seed: number;
  readonly set?: string[];
}

export function packageRunCommand(): Command {
  return new Command('run')
    .description(
      'run an entry point of a package folder here, by the contract and in the sandbox of a client',
    )
    .addArgument(new Argument('<entry>').choices([...entryNames]))
    .argument('<folder>', 'the package')
    .option('--data <folder>', 'the data, read-only for the package')
    .option('--weights <file>', 'the model to start from (npz); train makes one with init if left out')
    .option('--input <path>', 'predict: what to predict on')
    .option('--validate <folder>', 'train: validate the trained model on this data afterwards')
    .option('--out <folder>', 'keep weights, metrics and predictions here')
    .option('--state <folder>', "the package's private state, kept from run to run (default: none is kept)")
    .option('--set <key=value>', 'setting of the package, as package.yaml declares it (repeatable)', collect)
    .option('--seed <n>', 'seed of all randomness', wholeNumber, 0)
    .addHelpText(
      'after',
      [
        '\nExamples:',
        '  consilium package run train ./my-package --data ./data --set epochs=5 --out ./result',
        '  consilium package run validate ./my-package --data ./test --weights ./result/weights.npz',
        '  consilium package run predict ./my-package --input new.csv --weights ./result/weights.npz',
      ].join('\n'),
    )
    .action(async (entry: EntryName, folder: string, _: unknown, command: Command) => {
      await run(entry, folder, command);
    });
}

async function run(entry: EntryName, folder: string, command: Command): Promise<void> {
  const {
    set,
    data,
    weights,
    input,
    validate,
    out: kept,
    state,
    seed,
  } = command.optsWithGlobals<RunOptions>();
  const { out } = openSession(command);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  try {
    await withTempFolder('consilium-result-', (temporary) =>
      withBuiltPackage(folder, async (pack) => {
        out.say(`${entry} of ${pack.name} ${pack.version}`);
        // Predictions are shown when they are not kept.
        const folderOut = kept ?? (entry === 'predict' ? temporary : undefined);
        const outcomes = await runLocally({
          package: pack,
          entry,
          config: parseSettings(pack.config, set ?? []),
          seed,
          signal: stop.signal,
          watch: (name) => showTask(name, out),
          ...optional({ data, weights, input, validate, state, out: folderOut }),
        });
        if (entry === 'predict' && kept === undefined) await showPredictions(temporary, outcomes, out);
        else for (const outcome of outcomes) out.result(outcome, outcomeText(outcome));
        if (kept === undefined && (entry === 'init' || entry === 'train')) {
          out.say('the weights were not kept; give --out <folder> to keep them');
        }
      }),
    );
  } finally {
    out.endProgress();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
}

async function showPredictions(
  folder: string,
  outcomes: readonly EntryOutcome[],
  out: Output,
): Promise<void> {
  const text = (await readFile(join(folder, 'predictions.json'), 'utf8')).trim();
  const outcome = outcomes.at(-1)!;
  if (out.json) out.result({ ...outcome, files: [], predictions: JSON.parse(text) as unknown }, '');
  else out.result(undefined, text);
}

/** One line of numbers, one of how it ran, and the files. */
export function outcomeText(outcome: EntryOutcome): string {
  const { entry, metrics, num_examples, backend, isolation, duration_ms, peak_memory_bytes, files } = outcome;
  const examples = num_examples === undefined ? '' : `${num_examples} examples`;
  const numbers = [examples, formatMetrics(metrics)].filter((part) => part !== '').join(', ');
  const how = [
    `${(duration_ms / 1000).toFixed(1)} s`,
    ...(peak_memory_bytes === undefined ? [] : [`${formatBytes(peak_memory_bytes)} of memory`]),
    ...(backend === undefined ? [] : [backendText(backend)]),
    `isolation ${isolation}`,
  ];
  return [`${entry}: ${numbers || 'done'}`, `  ${how.join(', ')}`, ...files.map((file) => `  ${file}`)].join(
    '\n',
  );
}

function optional<T extends Record<string, unknown>>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 31) return value;
  throw new InvalidArgumentError('expected a whole number from 0 to 2147483647');
}
