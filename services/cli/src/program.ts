import { productVersion } from '@consilium/protocol/version';
import { Command } from 'commander';
import { withGlobals } from './core/command.js';

interface Row {
  readonly name: string;
  /** As the command's own, which is not loaded for the list of all. */
  readonly description: string;
  readonly load: () => Promise<Command>;
}

/**
 * All commands, in the order of the help. A command's module is loaded when its name is among the words typed:
 * some bring half of the platform with them, which a list of names need not wait for.
 */
export const commandRows: readonly Row[] = [
  {
    name: 'up',
    description:
      'run the whole platform on this machine: NATS, object store, reducer, combiners (loopback only)',
    load: async () => (await import('./commands/up.js')).upCommand(),
  },
  {
    name: 'demo',
    description: 'four unequal hospitals train one model on real data, on this machine',
    load: async () => (await import('./commands/demo.js')).demoCommand(),
  },
  {
    name: 'bootstrap',
    description: 'make keys, credentials and configuration for services that run in containers',
    load: async () => (await import('./commands/bootstrap.js')).bootstrapCommand(),
  },
  {
    name: 'session',
    description: 'declare, watch and stop sessions',
    load: async () => (await import('./commands/session.js')).sessionCommand(),
  },
  {
    name: 'model',
    description: 'the models of the trail, and npz files',
    load: async () => (await import('./commands/model.js')).modelCommand(),
  },
  {
    name: 'trail',
    description: 'look at, verify and tidy the model trail',
    load: async () => (await import('./commands/trail.js')).trailCommand(),
  },
  {
    name: 'audit',
    description: 'show and check the hash-chained audit log of a site or of the reducer',
    load: async () => (await import('./commands/audit.js')).auditCommand(),
  },
  {
    name: 'package',
    description: 'compute packages: build, check, try out, publish',
    load: async () => (await import('./commands/package.js')).packageCommand(),
  },
  {
    name: 'client',
    description: 'run a client in the foreground; list and shut out clients',
    load: async () => (await import('./commands/client.js')).clientCommand(),
  },
  {
    name: 'clients',
    description: 'list the clients, or shut one out',
    load: async () => (await import('./commands/client.js')).clientsCommand(),
  },
  {
    name: 'client-config',
    description: 'configuration files for sites (admin)',
    load: async () => (await import('./commands/client-config.js')).clientConfigCommand(),
  },
  {
    name: 'login',
    description: 'remember a reducer and your API token, so that every other command talks to it',
    load: async () => (await import('./commands/login.js')).loginCommand(),
  },
  {
    name: 'logout',
    description: 'forget the current context, or the one given by --context, with its token',
    load: async () => (await import('./commands/login.js')).logoutCommand(),
  },
  {
    name: 'context',
    description: 'the reducers that this machine knows',
    load: async () => (await import('./commands/login.js')).contextCommand(),
  },
  {
    name: 'user',
    description: 'people with an API token (admin)',
    load: async () => (await import('./commands/user.js')).userCommand(),
  },
  {
    name: 'doctor',
    description:
      'look at this machine, the site and the way to the reducer; say what is wrong and what to do',
    load: async () => (await import('./commands/doctor.js')).doctorCommand(),
  },
  {
    name: 'completion',
    description: 'print a script that completes commands and options in your shell',
    load: async () => (await import('./commands/completion.js')).completionCommand(),
  },
];

/** The program for the words of a command line. The script for completion knows every command. */
export async function buildProgram(words: readonly string[]): Promise<Command> {
  const program = withGlobals(new Command('consilium'))
    .description('Federated learning for hospitals: one model, many sites, no image leaves.')
    .version(productVersion)
    .showHelpAfterError()
    .exitOverride();
  const all = words.includes('completion');
  for (const { name, description, load } of commandRows) {
    const wanted = all || words.includes(name);
    program.addCommand(wanted ? await load() : new Command(name).description(description));
  }
  inherit(program);
  // Arguments and options stand in the help of each command, loaded or not.
  program.configureHelp({ subcommandTerm: (command) => command.name() });
  return program;
}

/** A command that is added as a whole takes over nothing from its parent: usage errors would exit by themselves. */
function inherit(parent: Command): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inherit(child);
  }
}
