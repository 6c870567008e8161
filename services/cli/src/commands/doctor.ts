import { loadClientConfig } from '@consilium/client';
import { asConsiliumError, ConsiliumError } from '@consilium/protocol';
import { Command } from 'commander';
import { type GlobalOptions, openSession } from '../core/command.js';
import { resolveContext } from '../core/contexts.js';
import type { Check } from '../doctor/check.js';
import { checkDisk, checkFolders, checkIsolation, checkNatsServer, checkNode } from '../doctor/machine.js';
import { checkNetwork } from '../doctor/network.js';
import type { Subject } from '../doctor/subject.js';
import { checkTraining } from '../doctor/training.js';

interface DoctorOptions extends GlobalOptions {
  readonly in?: string;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'look at this machine, the site and the way to the reducer; say what is wrong and what to do',
    )
    .option('-i, --in <file>', "the site's client.yaml, to look with its eyes")
    .addHelpText(
      'after',
      '\nExits with 1 when something fails.\n\nExamples:\n  consilium doctor\n  consilium doctor -i client.yaml',
    )
    .action(async (_: unknown, command: Command) => {
      await doctor(command);
    });
}

async function doctor(command: Command): Promise<void> {
  const options = command.optsWithGlobals<DoctorOptions>();
  const { out } = openSession(command);
  const { subject, check } = await subjectOf(options);
  const steps: [string, () => Check[] | Promise<Check | Check[]>][] = [
    ['node', () => [checkNode(), ...(check === undefined ? [] : [check])]],
    ['isolation', () => checkIsolation(subject)],
    ['training', () => checkTraining(subject)],
    ['folders', () => checkFolders(subject)],
    ['disk space', () => checkDisk(subject)],
    ['nats-server', () => checkNatsServer()],
    ['network', () => checkNetwork(subject)],
  ];
  const checks: Check[] = [];
  for (const [what, run] of steps) {
    out.progress(`looking at ${what} …`);
    const found = await Promise.resolve(run()).finally(() => out.endProgress());
    checks.push(...(Array.isArray(found) ? found : [found]));
  }
  const count = (status: Check['status']) => checks.filter((one) => one.status === status).length;
  const summary = `${count('ok')} ok, ${count('warn')} to know, ${count('fail')} to mend`;
  out.result({ ok: count('fail') === 0, checks }, `${checks.map(checkText).join('\n')}\n\n${summary}`);
  if (count('fail') > 0) process.exitCode = 1;
}

const signs: Readonly<Record<Check['status'], string>> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' };

export function checkText({ name, status, detail, fix }: Check): string {
  const line = `${signs[status]}  ${name.padEnd(13)}${detail}`;
  return fix === undefined ? line : `${line}\n${' '.repeat(19)}to do: ${fix}`;
}

/** client.yaml decides which reducer is looked at; the context lends its token when it is the same one. */
async function subjectOf(options: DoctorOptions): Promise<{ subject: Subject; check?: Check }> {
  const context = await resolveContext(options).catch((error: unknown) => {
    const known =
      error instanceof ConsiliumError && ['CLI_NOT_LOGGED_IN', 'CLI_NO_CONTEXT'].includes(error.code);
    // A context that was asked for by name has to be there.
    if (known && options.context === undefined) return undefined;
    throw error;
  });
  if (options.in === undefined) {
    if (context === undefined) return { subject: {} };
    const { url, token, key } = context;
    return { subject: { url, token, ...(key === '' ? {} : { reducerKey: key }) } };
  }
  const env = { ...process.env };
  if (env.CONSILIUM_TOKEN?.startsWith('cat_') === true) delete env.CONSILIUM_TOKEN;
  try {
    const { config, notices, file } = await loadClientConfig(options.in, { env });
    const subject: Subject = {
      url: config.url,
      client: config,
      ...(config.reducer_key === undefined ? {} : { reducerKey: config.reducer_key }),
      ...(context?.url === config.url ? { token: context.token } : {}),
    };
    const check: Check =
      notices.length === 0
        ? { name: 'client.yaml', status: 'ok', detail: `${file}: ${config.name}` }
        : { name: 'client.yaml', status: 'warn', detail: notices.join('; '), fix: 'Correct the named keys.' };
    return { subject, check };
  } catch (error) {
    // The rest is looked at all the same.
    const { code, detail, where, fix } = asConsiliumError(error);
    return {
      subject: {},
      check: { name: 'client.yaml', status: 'fail', detail: `${where}: ${code}: ${detail}`, fix },
    };
  }
}
