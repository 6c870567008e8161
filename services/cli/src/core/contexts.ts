import { mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { replaceFile } from '@consilium/platform/files';
import { ConsiliumError } from '@consilium/protocol';
import { z } from 'zod';

const contextSchema = z.strictObject({ url: z.url(), token: z.string(), key: z.string() });
const fileSchema = z.strictObject({
  current: z.string().nullable(),
  contexts: z.record(z.string(), contextSchema),
});

/** A reducer that commands talk to: address, API token, and the key of its trail as seen at login. */
export type Context = z.infer<typeof contextSchema>;
export type ContextFile = z.infer<typeof fileSchema>;

export function contextFile(env: NodeJS.ProcessEnv = process.env): string {
  if (env.CONSILIUM_CONTEXTS) return env.CONSILIUM_CONTEXTS;
  return join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'consilium', 'contexts.json');
}

/** @throws CLI_BAD_CONTEXTS */
export async function readContexts(file = contextFile()): Promise<ContextFile> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { current: null, contexts: {} };
    throw new ConsiliumError('CLI_BAD_CONTEXTS', String(error), { where: file });
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConsiliumError('CLI_BAD_CONTEXTS', 'It is not a file that `consilium login` wrote.', {
      where: file,
      cause,
    });
  }
}

export async function writeContexts(contexts: ContextFile, file = contextFile()): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await replaceFile(file, `${JSON.stringify(contexts, null, 2)}\n`);
}

export interface ContextOptions {
  readonly context?: string;
  readonly url?: string;
  readonly token?: string;
}

/**
 * The reducer a command means: `--url` and `--token`, or `CONSILIUM_URL` and `CONSILIUM_TOKEN`, or the context
 * named by `--context`, or the current one.
 * @throws CLI_NOT_LOGGED_IN, CLI_NO_CONTEXT
 */
export async function resolveContext(options: ContextOptions, env = process.env): Promise<Context> {
  const url = options.url ?? env.CONSILIUM_URL;
  const token = options.token ?? env.CONSILIUM_TOKEN;
  if (url !== undefined && token !== undefined) return { url, token, key: '' };
  const { current, contexts } = await readContexts();
  const name = options.context ?? current;
  if (name === null) throw new ConsiliumError('CLI_NOT_LOGGED_IN', 'There is no context.');
  const found = contexts[name];
  if (found === undefined) {
    const known = Object.keys(contexts).join(', ') || 'none';
    throw new ConsiliumError('CLI_NO_CONTEXT', `There is no "${name}"; known: ${known}.`, {
      where: '--context',
    });
  }
  return { ...found, ...(url === undefined ? {} : { url }), ...(token === undefined ? {} : { token }) };
}
