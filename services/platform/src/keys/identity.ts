import {
  createPrivateKey,
  createPublicKey,
  sign as edSign,
  verify as edVerify,
  type KeyObject,
} from 'node:crypto';
import { ConsiliumError } from '@consilium/protocol';
import {
  createAccount,
  createOperator,
  createUser,
  fromPublic,
  fromSeed,
  type KeyPair,
} from '@nats-io/nkeys';
import { decodeBase32 } from './base32.js';

/** What an nkey is for. Clients, services, publishers and people hold `user` keys. */
export type IdentityKind = 'operator' | 'account' | 'user';

/** An Ed25519 key pair in the nkey encoding of NATS. The private half stays inside. */
export interface Identity {
  readonly kind: IdentityKind;
  /** 56 characters, beginning with O, A or U. It is also the fingerprint that people compare. */
  readonly publicKey: string;
  /** Ed25519 signature, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
  /** The seed (58 characters, beginning with S). For key files and NATS only; never log it. */
  seed(): string;
}

const makers: Record<IdentityKind, () => KeyPair> = {
  operator: createOperator,
  account: createAccount,
  user: createUser,
};

const kindOfLetter: Readonly<Record<string, IdentityKind>> = { O: 'operator', A: 'account', U: 'user' };

// nkeys 2 signs in pure JavaScript; Node's own Ed25519 is some fifty times faster and gives the
// same bytes. These are the fixed DER headers before the 32 raw bytes (RFC 8410).
const PKCS8_HEADER = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEADER = Buffer.from('302a300506032b6570032100', 'hex');

export function createIdentity(kind: IdentityKind): Identity {
  return wrap(makers[kind]());
}

/**
 * @param where file or field the seed came from, for the error.
 * @throws ConsiliumError TRUST_BAD_KEY when it is no seed of an operator, account or user.
 */
export function identityFromSeed(seed: string, where?: string): Identity {
  try {
    return wrap(fromSeed(new TextEncoder().encode(seed.trim())));
  } catch (cause) {
    // The text itself is left out on purpose: it may be a damaged secret.
    const at = where === undefined ? {} : { where };
    throw new ConsiliumError('TRUST_BAD_KEY', 'The text is not an nkey seed.', { ...at, cause });
  }
}

function wrap(pair: KeyPair): Identity {
  const publicKey = pair.getPublicKey();
  const kind = kindOf(publicKey);
  const seed = new TextDecoder().decode(pair.getSeed());
  const raw = decodeBase32(seed);
  if (kind === undefined || raw === undefined) throw new Error('not an operator, account or user key');
  // A seed is two bytes of prefixes, 32 bytes of secret and two bytes of checksum.
  const der = Buffer.concat([PKCS8_HEADER, raw.subarray(2, 34)]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return {
    kind,
    publicKey,
    sign: (bytes) => new Uint8Array(edSign(null, bytes, key)),
    seed: () => seed,
  };
}

/** The kind that a public key claims by its first letter, or undefined if it is no valid public nkey. */
export function kindOf(publicKey: string): IdentityKind | undefined {
  if (!isPublicKey(publicKey)) return undefined;
  return kindOfLetter[publicKey.charAt(0)];
}

/** Whether the text is a public nkey: prefix, length and checksum. */
export function isPublicKey(text: string): boolean {
  try {
    fromPublic(text);
    return text.length === 56;
  } catch {
    return false;
  }
}

/** @throws ConsiliumError TRUST_BAD_KEY when the text is no public nkey (of that kind, if given). */
export function requirePublicKey(text: string, where: string, kind?: IdentityKind): string {
  const found = kindOf(text);
  if (found === undefined || (kind !== undefined && found !== kind)) {
    const wanted =
      kind === undefined ? 'a public nkey' : `the public nkey of ${kind === 'user' ? 'a' : 'an'} ${kind}`;
    throw new ConsiliumError('TRUST_BAD_KEY', `"${text.slice(0, 60)}" is not ${wanted}.`, { where });
  }
  return text;
}

/** How a key is shown to people and compared: the public nkey itself. */
export function fingerprint(key: Identity | string): string {
  return typeof key === 'string' ? requirePublicKey(key, 'key') : key.publicKey;
}

/**
 * Whether `signature` is the key's Ed25519 signature over exactly these bytes.
 * @throws ConsiliumError TRUST_BAD_KEY when `publicKey` is no public nkey.
 */
export function verify(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  return edVerify(null, bytes, publicKeyObject(publicKey), signature);
}

function publicKeyObject(publicKey: string): KeyObject {
  requirePublicKey(publicKey, 'public key');
  const raw = decodeBase32(publicKey) as Uint8Array; // its alphabet was just checked
  const der = Buffer.concat([SPKI_HEADER, raw.subarray(1, 33)]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}
