// Runs inside the sandbox, as the main program of a warm worker. It imports nothing but Node, because
// nothing else of Consilium can be seen there. See docs/reference/compute-package.md, "Warm workers".
import { readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

interface Job {
  readonly task: string;
  /** Variables of this task. */
  readonly env: Record<string, string>;
  /** Path of the entry's module. */
  readonly module: string;
  readonly cwd: string;
}

type Run = (task: unknown) => unknown;

const home = process.cwd();
const startEnvironment = { ...process.env };
const modules = new Map<string, Promise<Run | undefined>>();

function answer(task: string, outcome: Record<string, unknown>): void {
  const line = Buffer.from(`${JSON.stringify({ event: 'done', task, ...outcome })}\n`);
  for (let at = 0; at < line.length; ) at += writeSync(3, line, at);
}

async function load(path: string): Promise<Run | undefined> {
  const module = (await import(pathToFileURL(path).href)) as { run?: unknown; default?: { run?: unknown } };
  if (typeof module.run === 'function') return module.run as Run;
  const inner = module.default;
  return typeof inner?.run === 'function' ? (task) => (inner.run as Run)(task) : undefined;
}

function setEnvironment(env: Record<string, string>): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, startEnvironment, env);
}

async function perform(job: Job): Promise<void> {
  try {
    setEnvironment(job.env);
    process.chdir(job.cwd);
    let loading = modules.get(job.module);
    if (loading === undefined) {
      loading = load(job.module);
      modules.set(job.module, loading);
    }
    const run = await loading;
    if (run === undefined) {
      answer(job.task, { ok: false, incapable: true });
      return;
    }
    await run(JSON.parse(readFileSync(job.task, 'utf8')));
    process.chdir(home);
    answer(job.task, { ok: true });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    console.error(stack ?? message);
    process.chdir(home);
    answer(job.task, { ok: false, error: { message: message.slice(0, 2000), stack: stack?.slice(0, 8000) } });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line !== '') await perform(JSON.parse(line) as Job);
}
process.exit(0);
