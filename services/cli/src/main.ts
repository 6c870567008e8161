import { productVersion } from '@consilium/protocol';
import { Command, CommanderError } from 'commander';
import { demoCommand } from './commands/demo.js';
import { modelCommand } from './commands/model.js';
import { sessionCommand } from './commands/session.js';
import { trailCommand } from './commands/trail.js';
import { upCommand } from './commands/up.js';
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
  .addCommand(trailCommand());

try {
  await program.parseAsync(process.argv);
} catch (error) {
  // Commander has printed its own usage errors and help already.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = reportError(error, process.argv.includes('--json'));
}
