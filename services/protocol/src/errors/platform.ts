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
  BODY_TOO_LARGE: kinds.tooLarge(
    'The body of the request is too large.',
    'Large files go to the object store: POST /api/v1/uploads says where.',
  ),
  NOT_FOUND: kinds.notFound('There is nothing at this address.', 'Check the path.'),
  USAGE: kinds.usage('The command was called with wrong arguments.', 'See --help.'),
  UP_CHILD_FAILED: kinds.unavailable(
    'A program of the platform could not be started.',
    'Its last log lines say why; the whole log is in the file named.',
  ),
  UP_PORT_TAKEN: kinds.conflict(
    'A port that the platform used before is taken.',
    'Stop the program that uses it, or remove ports.json and start again: clients then need the new address.',
  ),
  UP_RUNNING: kinds.conflict(
    'The platform runs already on this folder.',
    'Use the one that runs, or start another with --dir.',
  ),
  UP_DIR_UNWRITABLE: kinds.badInput(
    'The folder of the platform cannot be written.',
    'Choose another one with --dir, give yourself the right to write there, or free space.',
  ),
});
