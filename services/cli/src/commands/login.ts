import { apiTokenSchema, ConsiliumError, whoamiSchema } from '@consilium/protocol';
import { Command } from 'commander';
import { ApiClient } from '../core/api-client.js';
import { type GlobalOptions, openSession } from '../core/command.js';
import { type ContextFile, readContexts, writeContexts } from '../core/contexts.js';
import { table } from '../core/output.js';
import { readInfo } from '../login/reducer-info.js';
import { defaultContextName, reducerUrl } from '../login/reducer-url.js';
import { readSecret } from '../login/secret-input.js';

interface LoginOptions extends GlobalOptions {
  readonly name?: string;
  readonly acceptNewKey?: boolean;
}

export function loginCommand(): Command {
  return new Command('login')
    .description('remember a reducer and your API token, so that every other command talks to it')
    .argument('<url>', 'address of the reducer')
    .option('--name <context>', 'name of the context (default: host and port)')
    .option('--accept-new-key', 'trust the reducer although its key is not the one seen before')
    .addHelpText(
      'after',
      '\nThe token is taken from --token, CONSILIUM_TOKEN, or asked for.\n\nExample:\n  consilium login https://consilium.example.org --name alliance',
    )
    .action(async (url: string, _: unknown, command: Command) => {
      await login(url, command);
    });
}

async function login(text: string, command: Command): Promise<void> {
  const options = command.optsWithGlobals<LoginOptions>();
  const { out } = openSession(command);
  const url = reducerUrl(text);
  const name = options.name ?? defaultContextName(url);
  const contexts = await readContexts();
  const info = await readInfo(new ApiClient({ url }));
  // Before the token is sent: it is for the reducer that was trusted, not for whoever answers now.
  requireSameReducer(contexts, name, { url, key: info.reducer_key }, options.acceptNewKey === true);
  const token = await tokenFrom(options.token ?? process.env.CONSILIUM_TOKEN, url);
  const who = await new ApiClient({ url, token }).get('/whoami', whoamiSchema);
  const context = { url, token, key: info.reducer_key };
  await writeContexts({ current: name, contexts: { ...withKey(contexts, context), [name]: context } });
  out.result(
    {
      context: name,
      url,
      name: who.name,
      role: who.role,
      version: info.version,
      reducer_key: info.reducer_key,
    },
    [
      `logged in to ${url} as ${who.name} (${who.role}); context "${name}" is the current one`,
      `  reducer ${info.version}, trail key ${info.reducer_key}`,
    ].join('\n'),
  );
}

function requireSameReducer(
  { contexts }: ContextFile,
  name: string,
  now: { url: string; key: string },
  accept: boolean,
): void {
  const named = contexts[name];
  if (named !== undefined && named.url !== now.url && named.key !== now.key) {
    const detail = `"${name}" is ${named.url} with the key ${named.key}; ${now.url} has ${now.key}.`;
    throw new ConsiliumError('CLI_CONTEXT_TAKEN', detail, { where: '--name' });
  }
  if (accept) return;
  const before = Object.values(contexts).find(
    (context) => context.url === now.url && context.key !== now.key,
  );
  if (before === undefined) return;
  throw new ConsiliumError('CLI_KEY_CHANGED', `It was ${before.key} and is ${now.key} now.`, {
    where: now.url,
  });
}

/** The contexts, those of this address with its present key: an accepted key is accepted for all of them. */
function withKey({ contexts }: ContextFile, now: { url: string; key: string }): ContextFile['contexts'] {
  const renewed = Object.entries(contexts).map(([name, context]) => [
    name,
    context.url === now.url ? { ...context, key: now.key } : context,
  ]);
  return Object.fromEntries(renewed);
}

async function tokenFrom(given: string | undefined, url: string): Promise<string> {
  const token = given?.trim() || (await readSecret(`API token for ${url}: `));
  if (token === '')
    throw new ConsiliumError('CLI_NO_TOKEN', 'The line was empty.', { where: 'standard input' });
  if (apiTokenSchema.safeParse(token).success) return token;
  const detail = `It has ${token.length} characters and begins with "${token.slice(0, 4)}".`;
  throw new ConsiliumError('CLI_BAD_TOKEN', detail, { where: '--token' });
}

export function logoutCommand(): Command {
  return new Command('logout')
    .description('forget the current context, or the one given by --context, with its token')
    .addHelpText('after', '\nExample:\n  consilium logout')
    .action(async (_: unknown, command: Command) => {
      const { context } = command.optsWithGlobals<GlobalOptions>();
      const { current } = await readContexts();
      const name = context ?? current;
      if (name === null) throw new ConsiliumError('CLI_NOT_LOGGED_IN', 'There is no current context.');
      await removeContext(name, command);
    });
}

export function contextCommand(): Command {
  const command = new Command('context').description('the reducers that this machine knows');
  command
    .command('list')
    .description('all contexts; the current one is marked')
    .addHelpText('after', '\nExample:\n  consilium context list')
    .action(async (_: unknown, self: Command) => {
      const { current, contexts } = await readContexts();
      const list = Object.entries(contexts).map(([name, { url, key }]) => ({
        name,
        url,
        reducer_key: key,
        current: name === current,
      }));
      const rows = list.map(({ name, url, reducer_key, current: is }) => [
        is ? '*' : '',
        name,
        url,
        reducer_key,
      ]);
      const text = list.length === 0 ? 'none; log in with: consilium login <url>' : undefined;
      openSession(self).out.result(list, text ?? table(['', 'name', 'address', 'trail key'], rows));
    });
  command
    .command('use')
    .description('make a context the current one')
    .argument('<name>')
    .addHelpText('after', '\nExample:\n  consilium context use alliance')
    .action(async (name: string, _: unknown, self: Command) => {
      const contexts = await readContexts();
      const { url } = known(contexts, name);
      await writeContexts({ ...contexts, current: name });
      openSession(self).out.result({ current: name, url }, `commands talk to ${url} now (context "${name}")`);
    });
  command
    .command('remove')
    .description('forget a context with its token')
    .argument('<name>')
    .addHelpText('after', '\nExample:\n  consilium context remove alliance')
    .action((name: string, _: unknown, self: Command) => removeContext(name, self));
  return command;
}

async function removeContext(name: string, command: Command): Promise<void> {
  const file = await readContexts();
  known(file, name);
  const { [name]: _, ...contexts } = file.contexts;
  const current = file.current === name ? null : file.current;
  await writeContexts({ current, contexts });
  const rest = Object.keys(contexts);
  const next =
    current !== null || rest.length === 0
      ? ''
      : `; no context is current now, choose one: consilium context use ${rest[0]}`;
  openSession(command).out.result(
    { removed: name, current },
    `context "${name}" and its token are forgotten${next}`,
  );
}

function known({ contexts }: ContextFile, name: string): { url: string } {
  const found = contexts[name];
  if (found !== undefined) return found;
  const names = Object.keys(contexts).join(', ') || 'none';
  throw new ConsiliumError('CLI_NO_CONTEXT', `There is no "${name}"; known: ${names}.`, { where: '<name>' });
}
