import { type SessionView, sessionViewSchema } from '@consilium/protocol';
import { Command } from 'commander';
import { z } from 'zod';
import { collect, openSession } from '../core/command.js';
import { followSession } from '../core/follow.js';
import { type Output, table } from '../core/output.js';
import { publisherKeys } from '../keys/publisher.js';

export function sessionCommand(): Command {
  return new Command('session')
    .description('declare, watch and stop sessions')
    .addCommand(startCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(stopCommand());
}

interface StartOptions {
  readonly package?: string;
  readonly seed?: string;
  readonly set?: string[];
  readonly trust?: string[];
  readonly name?: string;
  readonly follow?: boolean;
}

function startCommand(): Command {
  return new Command('start')
    .description('declare a session; it starts as soon as enough clients are connected')
    .argument('[file]', 'session.yaml; every field has a default but the package')
    .option('-p, --package <name[@version]>', 'compute package; the newest version if none is given')
    .option('-n, --name <name>', 'name of the session')
    .option(
      '-s, --set <key=value>',
      'override a field, such as rounds=5 or config.epochs=2 (repeatable)',
      collect,
    )
    .option('--seed <model.npz>', 'model to start from, instead of running the package’s init here')
    .option(
      '--trust <key>',
      'publisher whose init may run here; your own key always may (repeatable)',
      collect,
    )
    .option('-f, --follow', 'watch it until it ends')
    .addHelpText('after', '\nExample:\n  consilium session start -p breast-fna --set rounds=15 --follow')
    .action(async (file: string | undefined, options: StartOptions, command: Command) => {
      const { out, api } = openSession(command);
      const client = await api();
      const { packageText, readSessionFile } = await import('../local/session-file.js');
      const { startSession } = await import('../local/start-session.js');
      const input = file === undefined ? {} : await readSessionFile(file);
      const session = await startSession(client, {
        input: options.name === undefined ? input : { ...input, name: options.name },
        ...(options.package === undefined ? {} : { package: packageText(options.package) }),
        settings: options.set ?? [],
        ...(options.seed === undefined ? {} : { seedFile: options.seed }),
        trusted: [...(await publisherKeys()), ...(options.trust ?? [])],
        where: file ?? 'session',
        onEvent: (event) => {
          if (event.event === 'backend') out.say(`init runs on ${event.name}`);
        },
      });
      if (options.follow !== true || !out.json) out.result(session, `session ${session.id} is declared`);
      if (options.follow === true) await follow(out, () => followSession(client, out, session.id));
    });
}

async function follow(out: Output, watch: () => Promise<SessionView>): Promise<void> {
  const session = await watch();
  out.result(session, summary(session));
  // A session that needs a person, or failed, is not a success of the command that waited for it.
  if (session.state !== 'finished' && session.state !== 'stopped') process.exitCode = 1;
}

function listCommand(): Command {
  return new Command('list')
    .description('all sessions, newest first')
    .addHelpText('after', '\nExample:\n  consilium session list --json')
    .action(async (_: unknown, command: Command) => {
      const { out, api } = openSession(command);
      const sessions = await (await api()).get('/sessions', z.array(sessionViewSchema));
      const rows = sessions.map((s) => [
        s.id,
        s.state,
        `${s.head.number}/${s.rounds}`,
        `${s.spec.package.name}@${s.spec.package.version}`,
        s.best === null ? '' : `${s.best.metric} ${s.best.value.toFixed(4)}`,
        s.reason ?? '',
      ]);
      const headings = ['session', 'state', 'models', 'package', 'best', 'reason'];
      out.result(sessions, rows.length === 0 ? 'no sessions yet' : table(headings, rows));
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('one session')
    .argument('<session>')
    .option('-f, --follow', 'watch it until it ends')
    .addHelpText('after', '\nExample:\n  consilium session show breast-1 --follow')
    .action(async (id: string, options: { follow?: boolean }, command: Command) => {
      const { out, api } = openSession(command);
      const client = await api();
      if (options.follow === true) {
        await follow(out, () => followSession(client, out, id));
        return;
      }
      const session = await client.get(`/sessions/${encodeURIComponent(id)}`, sessionViewSchema);
      out.result(session, `${summary(session)}\n${JSON.stringify(session.spec, null, 2)}`);
    });
}

function stopCommand(): Command {
  return new Command('stop')
    .description('stop a session; every committed model stays')
    .argument('<session>')
    .option('-f, --follow', 'wait until it has stopped')
    .addHelpText('after', '\nExample:\n  consilium session stop breast-1 --follow')
    .action(async (id: string, options: { follow?: boolean }, command: Command) => {
      const { out, api } = openSession(command);
      const client = await api();
      const session = await client.post(`/sessions/${encodeURIComponent(id)}/stop`, {}, sessionViewSchema);
      if (options.follow === true) await follow(out, () => followSession(client, out, id));
      else out.result(session, `session ${id} stops as soon as its step is done`);
    });
}

function summary(session: SessionView): string {
  const lines = [
    `session  ${session.id}`,
    `state    ${session.state}${session.reason === null ? '' : `: ${session.reason}`}`,
    `models   ${session.head.number} of ${session.rounds} rounds; latest ${session.head.id.slice(0, 12)}`,
  ];
  const { best } = session;
  if (best !== null)
    lines.push(
      `best     model ${best.number} ${best.id.slice(0, 12)}, ${best.metric} ${best.value.toFixed(4)}`,
    );
  return lines.join('\n');
}
