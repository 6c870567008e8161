import { defineErrors, kinds } from './spec.js';

/** What the reducer says to people, sites and publishers it does not let in. */
export const enrolmentErrors = defineErrors({
  AUDIT_BROKEN: kinds.integrity(
    'The hash-chained audit log was changed.',
    'Lines from there on cannot be relied on: compare with a backup of the log.',
  ),
  TRUST_DENIED: kinds.denied('The role does not allow this.', 'Ask an admin for a token with a higher role.'),
  TRUST_UNKNOWN_CLIENT: kinds.unauthenticated(
    'No such client has enrolled.',
    'Put a join token into client.yaml; an admin makes one with: consilium client-config create',
  ),
  TRUST_OTHER_REDUCER_KEY: kinds.denied(
    'The model trail was signed with the key of another reducer.',
    'Restore key_file from the backup: a trail that two keys have signed cannot be verified.',
  ),
  TRUST_KEY_ENROLLED: kinds.conflict(
    'This key has enrolled under another name.',
    'Start the client under the name it has, or give it a state folder of its own.',
  ),
  TRUST_LAST_ADMIN: kinds.conflict(
    'This would take away the last token of an admin.',
    'Make another admin first: POST /api/v1/users',
  ),
  USER_NOT_FOUND: kinds.notFound(
    'Nobody of this name has a token.',
    'GET /api/v1/users lists those who have.',
  ),
  CLIENT_NOT_FOUND: kinds.notFound(
    'There is no client of this name.',
    'GET /api/v1/clients lists those that have enrolled.',
  ),
  TRUST_REVOKED: kinds.denied('The client was shut out.', 'Ask the operator of the alliance.'),
  TRUST_BAD_JOIN_TOKEN: kinds.denied(
    'The join token is not valid.',
    'Ask the operator for a fresh one: consilium client-config create',
  ),
  TRUST_TOKEN_USED: kinds.denied(
    'The join token was used before with another key.',
    'Either start the client with the state folder that holds its first key, or ask the operator for a new join token.',
  ),
  TRUST_WRONG_NAME: kinds.denied(
    'Name and credentials do not belong together.',
    'Use the name that the join token was made for.',
  ),
  TRUST_NAME_TAKEN: kinds.conflict(
    'Another client has this name.',
    'Choose another name, or start the client with the state folder that holds its first key.',
  ),
  TRUST_VERSION: kinds.badInput(
    'Client and reducer speak different versions of the protocol.',
    'Use a client of the same release as the reducer, or of the one before.',
  ),
  PKG_NOT_UPLOADED: kinds.notFound(
    'The archive of the package was not uploaded.',
    'Upload it first (POST /api/v1/uploads), or publish with: consilium package publish <folder>',
  ),
  PKG_VERSION_EXISTS: kinds.conflict(
    'This version of the package is in the registry with other content.',
    'Versions are immutable: raise the version in package.yaml and publish again.',
  ),
});
