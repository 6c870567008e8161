import { defineErrors, exitCodes, kinds } from './spec.js';

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
  CLI_BAD_URL: kinds.badInput(
    'This is not the address of a reducer.',
    'Give it with its scheme, such as https://consilium.example.org or http://127.0.0.1:8080.',
  ),
  CLI_NO_TOKEN: kinds.unauthenticated(
    'No API token was given.',
    'Give one with --token or CONSILIUM_TOKEN, or type it in when asked; `consilium up` prints the first one.',
  ),
  CLI_BAD_TOKEN: kinds.badInput(
    'The API token is malformed.',
    'Copy the whole token: cat_ and 43 characters. A token that begins with cjt_ is for client.yaml.',
  ),
  CLI_KEY_CHANGED: kinds.denied(
    'The reducer at this address has another key than the one seen before.',
    'Ask its operator whether the key was really changed; if so: consilium login <url> --accept-new-key',
  ),
  CLI_CONTEXT_TAKEN: kinds.conflict(
    'The context is of another reducer.',
    'Give this one another name with --name, or remove the old one: consilium context remove <name>',
  ),
  CLI_VERSION: kinds.conflict(
    'This command line and the reducer speak versions of the protocol that do not fit each other.',
    'Update the older of the two.',
  ),
  CLI_FILE_EXISTS: kinds.conflict(
    'The file exists already and is not overwritten.',
    'Remove it, or give another path with --out.',
  ),
  CLI_NO_WEIGHTS: kinds.badInput(
    'This entry needs a model to work on.',
    'Give one with --weights model.npz; `consilium package run train <folder> --data <folder> --out <folder>` makes one.',
  ),
  CLI_INTERRUPTED: {
    message: 'The command was stopped before it was done.',
    fix: 'Run it again.',
    http: 503,
    exit: exitCodes.interrupted,
  },
});
