import { defineErrors, kinds } from './spec.js';

export const sessionErrors = defineErrors({
  SESSION_NOT_FOUND: kinds.notFound(
    'There is no such session.',
    'List sessions with: consilium session list',
  ),
});
