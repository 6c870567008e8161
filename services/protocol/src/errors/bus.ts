import { defineErrors, kinds } from './spec.js';

export const busErrors = defineErrors({
  BUS_UNAVAILABLE: kinds.unavailable(
    'The NATS server cannot be reached.',
    'Check the address, the network and the proxy settings; the service retries by itself.',
  ),
  BUS_TIMEOUT: kinds.unavailable(
    'No answer came over NATS in time.',
    'Check that the service that answers is running and not overloaded, then try again.',
  ),
  BUS_NO_RESPONDER: kinds.unavailable(
    'Nobody listens on this NATS subject.',
    'Check that the service that answers is running, then try again.',
  ),
  BUS_CLOSED: kinds.unavailable(
    'The NATS connection has been closed by this program.',
    'This happens while a service stops; start it again.',
  ),
  BUS_DENIED: kinds.denied(
    'The NATS server refuses this to the identity of the connection.',
    'Check that the identity is enrolled, not revoked, and that the subject is its own.',
  ),
  BUS_CONFLICT: kinds.conflict(
    'The stored value has been changed by somebody else in the meantime.',
    'Read it again and repeat the change.',
  ),
  BUS_NOT_FOUND: kinds.notFound('There is no such key or stream on the bus.', 'Check its name.'),
  BUS_BAD_KEY: kinds.badInput(
    'A key, bucket or stream name holds characters that NATS does not allow.',
    'Use letters, digits, "-", "_", "=" and "/"; tokens are separated by single dots.',
  ),
  BUS_BAD_MESSAGE: kinds.badInput(
    'A message on the bus is not valid.',
    'Check that both sides run versions of Consilium that fit each other.',
  ),
  BUS_TOO_LARGE: kinds.tooLarge(
    'The message is larger than the NATS server takes.',
    'Control messages are small; put bytes into the object store and send their digest.',
  ),
  BUS_LEASE_LOST: kinds.conflict(
    'The lease is no longer held.',
    'Stop acting for it; another holder may have taken over.',
  ),
  BUS_SERVER_TOO_OLD: kinds.unavailable(
    'The NATS server lacks a feature that is needed.',
    'Update nats-server to the version named.',
  ),
  BUS_SERVER_UNSAFE: kinds.denied(
    'The NATS server has a known security hole and is not on a loopback address.',
    'Update nats-server to the version named, or allow it explicitly with allowOutdatedNats.',
  ),
});
