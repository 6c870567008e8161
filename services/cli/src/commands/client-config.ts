import { access, writeFile } from 'node:fs/promises';
import { ConsiliumError, joinTokenCreatedSchema } from '@consilium/protocol';
import { Command, InvalidArgumentError } from 'commander';
import { checkClientYaml, clientYaml } from '../client/client-yaml.js';
import { ApiClient } from '../core/api-client.js';
import { collect, type GlobalOptions, openSession } from '../core/command.js';
import { resolveContext } from '../core/contexts.js';
import { publisherKeys } from '../keys/publisher.js';
import { readInfo } from '../login/reducer-info.js';

interface CreateOptions extends GlobalOptions {
  readonly name: string;
  readonly data: string;
  readonly dataName?: string;
  readonly signer?: string[];
  readonly expiresInHours: number;
  readonly out?: string;
}

export function clientConfigCommand(): Command {
  const command = new Command('client-config').description('configuration files for sites (admin)');
  command
    .command('create')
    .description('make a one-time join token and print the client.yaml of a new site')
    .requiredOption('--name <name>', 'name of the site')
    .option('--data <folder>', 'its training data, as seen from where client.yaml will lie', './data')
    .option('--data-name <text>', 'what the model trail calls the data set (default: the name of the site)')
    .option(
      '--signer <key>',
      'publisher whose packages may run there (repeatable; default: your own key)',
      collect,
    )
    .option('--expires-in-hours <n>', 'how long the token can be used', hours, 24 * 7)
    .option('--out <file>', 'write the file, readable by you alone, instead of printing it')
    .addHelpText(
      'after',
      '\nExample:\n  consilium client-config create --name hospital-a --data /srv/data --out client.yaml',
    )
    .action(async (_: unknown, self: Command) => {
      await create(self);
    });
  return command;
}

async function create(command: Command): Promise<void> {
  const options = command.optsWithGlobals<CreateOptions>();
  const { out } = openSession(command);
  // Before a token is made for nothing.
  if (options.out !== undefined) await requireNew(options.out);
  const context = await resolveContext(options);
  const api = new ApiClient(context);
  const { reducer_key: reducerKey } = await readInfo(api);
  if (context.key !== '' && context.key !== reducerKey) {
    const detail = `It was ${context.key} at login and is ${reducerKey} now.`;
    throw new ConsiliumError('CLI_KEY_CHANGED', detail, { where: api.url });
  }
  const own = options.signer === undefined ? await publisherKeys() : [];
  const site = {
    url: api.url,
    name: options.name,
    dataPath: options.data,
    dataName: options.dataName ?? options.name,
    reducerKey,
    signers: options.signer ?? own,
    signersFrom: options.signer !== undefined ? 'given' : own.length > 0 ? 'own' : 'nobody',
  } as const;
  checkClientYaml(site);
  const body = { client: options.name, expires_in_hours: options.expiresInHours };
  const { token, expires_at } = await api.post('/join-tokens', body, joinTokenCreatedSchema);
  const yaml = clientYaml({ ...site, token, tokenExpiresAt: expires_at });
  if (site.signers.length === 0) {
    out.say('no publisher is allowed yet: the site will run nothing until policy.allowed_signers names one');
  }
  const result = { client: options.name, expires_at };
  if (options.out === undefined) {
    out.result({ ...result, yaml }, yaml.trimEnd());
    return;
  }
  await writeNew(options.out, yaml);
  const text = `${options.out}: for ${options.name}, to be used before ${expires_at}; start with: consilium client -i ${options.out}`;
  out.result({ ...result, file: options.out }, text);
}

async function requireNew(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) throw new ConsiliumError('CLI_FILE_EXISTS', 'It holds something already.', { where: path });
}

/** The file holds a secret, and an existing one may hold a token that a site still needs. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST')
      throw new ConsiliumError('CLI_FILE_EXISTS', 'It holds something already.', { where: path });
    throw new ConsiliumError('CLI_FILE', message, { where: path, cause });
  }
}

function hours(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0 && value <= 24 * 365) return value;
  throw new InvalidArgumentError('expected hours, more than 0 and at most a year');
}
