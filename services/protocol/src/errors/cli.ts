import { defineErrors, kinds } from './spec.js';

export const cliErrors = defineErrors({
  CLI_NOT_LOGGED_IN: kinds.unauthenticated(
    'No reducer is known.',
    'Log in with: consilium login <url>, or start one here with: consilium up',
  ),
  CLI_NO_CONTEXT: kinds.notFound('There is no such context.', 'List them with: consilium context list'),
  CLI_BAD_CONTEXTS: kinds.badInput(
    'The file with the contexts cannot be read.',
    'Remove it and log in again with: consilium login <url>',
  ),
  CLI_UNREACHABLE: kinds.unavailable(
    'The reducer cannot be reached.',
    'Check the address, whether it runs, and the proxy settings (HTTPS_PROXY, NO_PROXY).',
  ),
  CLI_BAD_ANSWER: kinds.unavailable(
    'The answer is not one of a Consilium reducer of this version.',
    'Check the address; use a command line of the same release as the reducer.',
  ),
  CLI_FILE: kinds.badInput('A file cannot be read or written.', 'Check the path and its permissions.'),
  CLI_CHECK_FAILED: kinds.integrity('A check has failed.', 'Look at the findings above.'),
});
