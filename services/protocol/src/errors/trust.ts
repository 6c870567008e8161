import { defineErrors, kinds } from './spec.js';

export const trustErrors = defineErrors({
  TRUST_UNAUTHENTICATED: kinds.unauthenticated(
    'The request carries no valid credentials.',
    'Log in with: consilium login <url>',
  ),
});
