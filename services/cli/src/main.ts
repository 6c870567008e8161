import { CommanderError } from 'commander';
import { withFednArguments } from './client/fedn-arguments.js';
import { reportError } from './core/output.js';
import { buildProgram } from './program.js';

try {
  const words = withFednArguments(process.argv);
  const program = await buildProgram(words.slice(2));
  await program.parseAsync(words);
} catch (error) {
  // Commander has printed its own usage errors and help already.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = reportError(error, process.argv.includes('--json'));
}
