import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Identity, loadIdentity, loadOrCreateIdentity } from '@consilium/platform/keys';
import { ConsiliumError } from '@consilium/protocol';

/** Where a person's publisher key lies: `$XDG_CONFIG_HOME/consilium/publisher.nk`, unless another file is given. */
export function publisherKeyFile(given?: string, env: NodeJS.ProcessEnv = process.env): string {
  if (given !== undefined) return resolve(given);
  return join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'consilium', 'publisher.nk');
}

/**
 * The key that signs this person's packages; made (0600) on its first use.
 * @throws TRUST_KEY_READABLE, TRUST_BAD_KEY
 */
export function publisherIdentity(given?: string): Promise<Identity> {
  return loadOrCreateIdentity(publisherKeyFile(given), 'user');
}

/**
 * Public keys of this person as a publisher: none, or one. Makes no key.
 * @throws TRUST_KEY_READABLE, TRUST_BAD_KEY
 */
export async function publisherKeys(given?: string): Promise<string[]> {
  try {
    return [(await loadIdentity(publisherKeyFile(given))).publicKey];
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === 'TRUST_KEY_MISSING') return [];
    throw error;
  }
}
