import { roleSchema, roles, userCreatedSchema } from '@consilium/protocol';
import { Command, Option } from 'commander';
import { z } from 'zod';
import { openSession } from '../core/command.js';
import { table } from '../core/output.js';

/** `GET /users` */
const usersSchema = z.array(
  z.object({ name: z.string(), role: roleSchema, created_at: z.string(), revoked_at: z.string().nullable() }),
);

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
  command
    .command('list')
    .description('who has a token')
    .addHelpText('after', '\nExample:\n  consilium user list')
    .action(async (_: unknown, self: Command) => {
      const { out, api } = openSession(self);
      const users = await (await api()).get('/users', usersSchema);
      const rows = users.map(({ name, role, created_at, revoked_at }) => [
        name,
        revoked_at === null ? role : 'revoked',
        created_at,
      ]);
      out.result(users, table(['name', 'role', 'since'], rows));
    });
  command
    .command('revoke')
    .description('make every token of a person void')
    .argument('<name>')
    .addHelpText('after', '\nExample:\n  consilium user revoke maria')
    .action(async (name: string, _: unknown, self: Command) => {
      const { out, api } = openSession(self);
      await (await api()).send(`/users/${encodeURIComponent(name)}/revoke`, undefined);
      out.result({ revoked: name }, `every token of ${name} is void now`);
    });
  return command;
}
