import { defineErrors, kinds } from './spec.js';

export const trustErrors = defineErrors({
  TRUST_UNAUTHENTICATED: kinds.unauthenticated(
    'The request carries no valid credentials.',
    'Log in with: consilium login <url>',
  ),
  TRUST_BAD_KEY: kinds.badInput(
    'A key is not a valid Ed25519 nkey.',
    'Give the whole key as it was printed: 56 characters for a public key, 58 for a seed.',
  ),
  TRUST_KEY_MISSING: kinds.notFound(
    'The key file does not exist.',
    'Check the path, or create the key first.',
  ),
  TRUST_KEY_READABLE: kinds.denied(
    'The key file can be read by other users of this machine.',
    'Take the rights away with: chmod 600 <file>',
  ),
  TRUST_KEY_EXISTS: kinds.conflict(
    'There is already another key in this file.',
    'Keys are never overwritten: remove the file by hand if it is really to be replaced.',
  ),
  TRUST_BAD_SIGNATURE: kinds.unauthenticated(
    'A signature does not fit the content and the key.',
    'The content was changed after signing, or signed with another key; do not use it.',
  ),
  TRUST_CLOCK_SKEW: kinds.unauthenticated(
    'The request was signed too long ago or in the future.',
    'Set the clock of this machine (NTP), then try again.',
  ),
  TRUST_REPLAY: kinds.unauthenticated(
    'The same signed request has been seen before.',
    'Sign each request anew, with a fresh nonce.',
  ),
  TRUST_BAD_JWT: kinds.unauthenticated('A NATS JWT is not valid.', 'Enrol again to get a fresh one.'),
  TRUST_JWT_EXPIRED: kinds.unauthenticated(
    'The NATS JWT has expired.',
    'It is renewed at the next connection; check the clock of this machine if it stays so.',
  ),
  TRUST_NOT_CANONICAL: kinds.badInput(
    'The value has no canonical JSON form, so it cannot be signed.',
    'Use plain objects, arrays, strings, booleans, null and finite numbers.',
  ),
  TRUST_BOOTSTRAP_DAMAGED: kinds.integrity(
    'The folder with the NATS keys is incomplete or damaged.',
    'Restore it from a backup; a new folder means that every client has to enrol again.',
  ),
});
