import { Argument, Command } from 'commander';
import { completionScript, type Shell, shells } from '../completion/scripts.js';
import { completionTree } from '../completion/tree.js';

/** Prints a script made from the commands as they are, so it never lags behind them. */
export function completionCommand(): Command {
  return new Command('completion')
    .description('print a script that completes commands and options in your shell')
    .addArgument(new Argument('<shell>').choices([...shells]))
    .addHelpText(
      'after',
      [
        '\nExamples:',
        '  source <(consilium completion bash)        # in ~/.bashrc',
        '  source <(consilium completion zsh)         # in ~/.zshrc, after compinit',
        '  consilium completion fish > ~/.config/fish/completions/consilium.fish',
      ].join('\n'),
    )
    .action((shell: Shell, _: unknown, command: Command) => {
      let program = command;
      while (program.parent !== null) program = program.parent;
      process.stdout.write(completionScript(shell, program.name(), completionTree(program)));
    });
}
