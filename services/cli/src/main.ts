import { productVersion } from '@consilium/protocol';
import { Command, CommanderError } from 'commander';
import { withFednArguments } from './client/fedn-arguments.js';
import { clientCommand, clientsCommand } from './commands/client.js';
import { clientConfigCommand } from './commands/client-config.js';
import { completionCommand } from './commands/completion.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { contextCommand, loginCommand, logoutCommand } from './commands/login.js';
import { modelCommand } from './commands/model.js';
import { packageCommand } from './commands/package.js';
import { sessionCommand } from './commands/session.js';
import { trailCommand } from './commands/trail.js';
import { upCommand } from './commands/up.js';
import { userCommand } from './commands/user.js';
import { withGlobals } from './core/command.js';
import { reportError } from './core/output.js';

const program = withGlobals(new Command('consilium'))
  .description('Federated learning for hospitals: one model, many sites, no image leaves.')
  .version(productVersion)
  .showHelpAfterError()
  .exitOverride()
  .addCommand(upCommand())
  .addCommand(demoCommand())
  .addCommand(sessionCommand())
  .addCommand(modelCommand())
  .addCommand(trailCommand())
  .addCommand(packageCommand())
  .addCommand(clientCommand())
  .addCommand(clientsCommand())
  .addCommand(clientConfigCommand())
  .addCommand(loginCommand())
  .addCommand(logoutCommand())
  .addCommand(contextCommand())
  .addCommand(userCommand())
  .addCommand(doctorCommand())
  .addCommand(completionCommand());

// A command that is added as a whole takes over nothing from its parent: usage errors would exit by themselves.
function inherit(parent: Command): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inherit(child);
  }
}
inherit(program);

try {
  await program.parseAsync(withFednArguments(process.argv));
} catch (error) {
  // Commander has printed its own usage errors and help already.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = reportError(error, process.argv.includes('--json'));
}
