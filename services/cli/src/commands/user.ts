import { roleSchema, roles, userCreatedSchema } from '@consilium/protocol';
import { Command, Option } from 'commander';
import { openSession } from '../core/command.js';

export function userCommand(): Command {
  const command = new Command('user').description('people with an API token (admin)');
  command
    .command('create')
    .description('make an API token for a person; it is shown only once')
    .requiredOption('--name <name>', 'who it is for')
    .addOption(
      new Option('--role <role>', 'what the person may do').choices([...roles]).makeOptionMandatory(),
    )
    .addHelpText('after', '\nExample:\n  consilium user create --name maria --role engineer')
    .action(async (options: { name: string; role: string }, self: Command) => {
      const { out, api } = openSession(self);
      const role = roleSchema.parse(options.role);
      const made = await (await api()).post('/users', { name: options.name, role }, userCreatedSchema);
      out.say(`${made.name} is ${made.role}; the token, shown only now:`);
      out.result(made, made.token);
    });
  return command;
}
