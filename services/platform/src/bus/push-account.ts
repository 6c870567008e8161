import { ConsiliumError } from '@consilium/protocol';
import { decodeJwt } from '../keys/jwt/decode.js';
import { toBusError } from './nats-errors.js';
import type { Bus } from './types.js';

/**
 * Gives a new account JWT (after a revocation, say) to the servers. Takes effect at once.
 *
 * @param bus connected with the system credentials of the bootstrap, inbox `_INBOX_revoker`.
 * @throws ConsiliumError BUS_DENIED when the server does not take it, BUS_TIMEOUT, BUS_UNAVAILABLE
 */
export async function pushAccountJwt(bus: Bus, jwt: string): Promise<void> {
  const account = decodeJwt(jwt, 'account JWT').sub;
  await bus.ready();
  let answer: { data?: { code?: number; message?: string }; error?: { description?: string } };
  try {
    const message = await bus.connection.request('$SYS.REQ.CLAIMS.UPDATE', jwt, { timeout: 5_000 });
    answer = message.json();
  } catch (error) {
    throw toBusError(error, account);
  }
  if (answer.data?.code === 200) return;
  const detail = answer.error?.description ?? answer.data?.message ?? 'It gave no reason.';
  throw new ConsiliumError('BUS_DENIED', `The account JWT was not taken: ${detail}`, { where: account });
}
