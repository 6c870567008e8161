import { defineErrors, kinds } from './spec.js';

export const platformErrors = defineErrors({
  UP_NO_NATS: kinds.unavailable(
    'No nats-server was found and none could be fetched.',
    'Install nats-server 2.9 or newer, or put it on the PATH.',
  ),
  INTERNAL: kinds.internal(
    'An unexpected error occurred inside Consilium.',
    'Please report it with the log lines around it.',
  ),
  BAD_REQUEST: kinds.badInput('The request does not fit its schema.', 'Correct the named field.'),
  NOT_FOUND: kinds.notFound('There is nothing at this address.', 'Check the path.'),
  USAGE: kinds.badInput('The command was called with wrong arguments.', 'See --help.'),
});
