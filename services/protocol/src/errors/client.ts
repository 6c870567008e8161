import { defineErrors, exitCodes, kinds } from './spec.js';

const page = 'see docs/reference/client-yaml.md';

export const clientErrors = defineErrors({
  CLIENT_CONFIG_MISSING: kinds.notFound(
    'client.yaml does not exist or cannot be read.',
    'Give its path with -i, or make one with: consilium client-config create',
  ),
  CLIENT_CONFIG_SYNTAX: kinds.badInput(
    'client.yaml is not valid YAML.',
    'Correct the named line; indent with spaces, one "key: value" a line.',
  ),
  CLIENT_BAD_CONFIG: kinds.badInput('client.yaml is not valid.', `Correct the named field; ${page}.`),
  CLIENT_UNKNOWN_KEY: kinds.badInput(
    'client.yaml has a key that does not exist.',
    `Correct or remove the key; ${page}.`,
  ),
  CLIENT_BAD_TOKEN: kinds.badInput(
    'The join token is malformed.',
    'Copy the whole token (cjt_ and 43 characters) as the operator gave it.',
  ),
  CLIENT_DATA_MISSING: kinds.notFound(
    'The data folder does not exist or cannot be read.',
    'Correct data.path, or mount the folder into the container (read-only is enough).',
  ),
  CLIENT_STATE_UNWRITABLE: kinds.badInput(
    'The state folder cannot be made or written.',
    'Correct state, give the user of this process the right to write there, or free space.',
  ),
  CLIENT_STATE_IN_USE: kinds.conflict(
    'Another client runs on this state folder.',
    'Stop the other one, or give this one a state folder of its own.',
  ),
  CLIENT_STATE_OTHER: kinds.conflict(
    'The state folder belongs to another client or reducer.',
    'Use the name and address it was made for, or another state folder.',
  ),
  CLIENT_STATE_DAMAGED: kinds.integrity(
    'A file of the state folder cannot be read.',
    'Restore it from a backup or remove the named file; keys/client.nk must stay, or the client has to enrol anew.',
  ),
  CLIENT_CA_UNREADABLE: kinds.notFound(
    'The file with the certificate authority cannot be used.',
    'Correct ca_file: a PEM file with one or more certificates.',
  ),
  CLIENT_TOKEN_NEEDED: kinds.unauthenticated(
    'This client has not enrolled yet and has no join token.',
    'Ask the operator for a join token and put it into client.yaml as token, or set CONSILIUM_TOKEN.',
  ),
  CLIENT_REDUCER_CHANGED: kinds.denied(
    'The reducer at this address has another key than the one this site trusts.',
    'If the alliance really changed its key, set reducer_key in client.yaml to the new one; otherwise do not connect.',
  ),
  CLIENT_VERSION_MISMATCH: kinds.conflict(
    'Client and reducer speak versions of the protocol that do not fit each other.',
    'Update the older of the two.',
  ),
  CLIENT_BAD_ANSWER: kinds.unavailable(
    'The reducer answered with something that is no answer of a Consilium reducer.',
    'Check url: it must be the address of the reducer itself, and no proxy may put its own page in between.',
  ),
  CLIENT_UNREACHABLE: kinds.unavailable(
    'The reducer cannot be reached.',
    'Check url, the network, proxy and ca_file; the client retries by itself.',
  ),
  CLIENT_PACKAGE_NOT_ALLOWED: kinds.denied(
    "The site's policy does not allow this package.",
    'To allow it, add its signer to policy.allowed_signers or its digest to policy.allowed_digests in client.yaml, then restart the client.',
  ),
  CLIENT_PACKAGE_MISMATCH: kinds.integrity(
    'The package is not the one that the task names.',
    'Publish the package again and start the session with it; nothing of it was run.',
  ),
  CLIENT_OBJECT_TOO_LARGE: kinds.tooLarge(
    'A task names objects that are larger than this site takes.',
    'If the model is that large, raise cache_size in client.yaml; nothing was fetched.',
  ),
  CLIENT_URL_REFUSED: kinds.denied(
    'A combiner named an address for an object that this client does not use.',
    'Ask the operator to set the public address of the object store to one that sites can reach, under https where url is.',
  ),
  CLIENT_NATS_REFUSED: kinds.denied(
    'The reducer names no address of NATS that this client may use.',
    'Ask the operator for a wss:// address under the address of the reducer (nats.client_servers); or list the host in no_proxy.',
  ),
  CLIENT_ACCELERATOR_MISSING: kinds.unavailable(
    'A GPU is required and this site has none to offer.',
    'Run the client on a machine with a GPU, or set accelerator to auto in client.yaml.',
  ),
  CLIENT_DATA_CHANGED: kinds.conflict(
    'A file of the data folder changed while it was being read.',
    'Let the copying into the data folder end first; the next round takes it in.',
  ),
  CLIENT_UPDATE_INVALID: kinds.badInput(
    'What the package wrote cannot be sent.',
    'Correct the package; see docs/reference/compute-package.md.',
  ),
  CLIENT_AUDIT_BROKEN: kinds.integrity(
    'The audit log was changed.',
    'Keep the file as it is and compare it with a backup; lines after the named one prove nothing.',
  ),
  TASK_INTERRUPTED: {
    message: 'The client was stopped while it worked on the task.',
    fix: 'Start the client again; it takes part in the next round.',
    http: 503,
    exit: exitCodes.interrupted,
  },
  TASK_TIMEOUT: kinds.unavailable(
    'The time for the task is over.',
    'Raise round_deadline of the session or policy.task_timeout_seconds of the site, or do less work a round.',
  ),
});
