import { ConsiliumError } from '@consilium/protocol';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from 'nats';

// Codes of nats-server's JetStream errors (server/errors.json).
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);
const NOT_FOUND = new Set([10014, 10037, 10059]);
const MESSAGE_TOO_LARGE = new Set([10054]);

/**
 * What a NATS library error means to us. A ConsiliumError passes unchanged.
 * @param where subject, bucket and key, or stream.
 */
export function toBusError(error: unknown, where: string): ConsiliumError {
  if (error instanceof ConsiliumError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  const options = { where, cause: error };
  if (error instanceof JetStreamApiError) return new ConsiliumError(codeOfJetStream(error), detail, options);
  // A request error wraps the one that counts.
  const inner = error instanceof errors.RequestError && error.cause !== undefined ? error.cause : error;
  if (error instanceof errors.RequestError && error.isNoResponders()) {
    return new ConsiliumError('BUS_NO_RESPONDER', 'No service answers there now.', options);
  }
  if (inner instanceof errors.NoRespondersError) {
    return new ConsiliumError('BUS_NO_RESPONDER', 'No service answers there now.', options);
  }
  if (inner instanceof errors.TimeoutError) return new ConsiliumError('BUS_TIMEOUT', detail, options);
  if (inner instanceof errors.PermissionViolationError) {
    return new ConsiliumError('BUS_DENIED', inner.message, options);
  }
  if (inner instanceof errors.AuthorizationError || inner instanceof errors.UserAuthenticationExpiredError) {
    return new ConsiliumError('BUS_DENIED', inner.message, options);
  }
  if (inner instanceof errors.ClosedConnectionError || inner instanceof errors.DrainingConnectionError) {
    return new ConsiliumError('BUS_CLOSED', detail, options);
  }
  return new ConsiliumError('BUS_UNAVAILABLE', detail, options);
}

function codeOfJetStream(
  error: JetStreamApiError,
): 'BUS_CONFLICT' | 'BUS_NOT_FOUND' | 'BUS_TOO_LARGE' | 'BUS_UNAVAILABLE' {
  if (WRONG_LAST_SEQUENCE.has(error.code)) return 'BUS_CONFLICT';
  if (NOT_FOUND.has(error.code)) return 'BUS_NOT_FOUND';
  if (MESSAGE_TOO_LARGE.has(error.code)) return 'BUS_TOO_LARGE';
  return 'BUS_UNAVAILABLE';
}
