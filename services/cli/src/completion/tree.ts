import type { Command } from 'commander';

/** What can follow a command's name. */
export interface CompletionNode {
  /** Names of the command and its parents after the program's own: `package run`; empty for the program. */
  readonly path: string;
  /** Subcommands with their descriptions. */
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly {
    readonly long: string;
    readonly description: string;
    readonly takesValue: boolean;
    readonly choices: readonly string[];
  }[];
  /** Allowed words of the first argument. */
  readonly words: readonly string[];
}

/** Every command of a program, the program itself first. Hidden commands and options are left out. */
export function completionTree(program: Command): CompletionNode[] {
  const nodes: CompletionNode[] = [];
  const walk = (command: Command, path: string, inherited: CompletionNode['options']) => {
    const help = command.createHelp();
    const options = [...inherited, ...ownOptions(command)];
    const commands = help
      .visibleCommands(command)
      .filter((child) => child.name() !== 'help')
      .map((child) => ({ name: child.name(), description: child.description() }));
    const [first] = command.registeredArguments;
    nodes.push({ path, commands, options: unique(options), words: first?.argChoices ?? [] });
    for (const child of command.commands) {
      if (commands.some(({ name }) => name === child.name())) {
        walk(child, path === '' ? child.name() : `${path} ${child.name()}`, options);
      }
    }
  };
  walk(program, '', []);
  return nodes;
}

function ownOptions(command: Command): CompletionNode['options'] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description, required, optional, argChoices }) =>
      long == null
        ? []
        : [{ long, description, takesValue: required || optional, choices: argChoices ?? [] }],
    );
}

function unique(options: CompletionNode['options']): CompletionNode['options'] {
  return [...new Map(options.map((option) => [option.long, option])).values()];
}
