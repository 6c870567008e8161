import { z } from 'zod';

/** `sha256:<64 hex digits>`: how the content of every object is named. */
export const digestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hexadecimal digits');
export type Digest = z.infer<typeof digestSchema>;

const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const nameText = 'expected 1 to 63 of a-z, 0-9 and -, neither first nor last a -';

/**
 * Names that become a NATS subject token, a KV key and a folder of the trail at once:
 * clients (sites), combiners, sessions and packages.
 */
export const nameSchema = z.string().regex(namePattern, nameText);

export function isName(text: string): boolean {
  return namePattern.test(text);
}

/** Name of a model part (`weights`, `control`): it becomes a file name at the site. */
export const partNameSchema = z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, 'expected a name of a-z, 0-9 and _');

/** A semantic version, as packages carry it. */
export const semverSchema = z
  .string()
  .regex(
    /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$/,
    'expected a semantic version such as 1.2.0',
  );

/** Public nkey of a user (client, publisher, reducer): `U` and 55 base32 characters. It is the fingerprint. */
export const publicKeySchema = z
  .string()
  .regex(/^U[A-Z2-7]{55}$/, 'expected a public key: U and 55 characters');

/** Model id: the sha256 of the canonical JSON of a manifest's signed content, 64 hex digits. */
export const modelIdSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected a model id of 64 hexadecimal digits');

/** Base64 of a 64 byte Ed25519 signature. */
export const signatureSchema = z
  .string()
  .regex(/^[A-Za-z0-9+/_-]{86}(==)?$/, 'expected an Ed25519 signature');

export const isoTimeSchema = z.iso.datetime();

export type TaskKind = 'train' | 'validate';
export const taskKindSchema = z.enum(['train', 'validate']);

/** What one attempt at one phase of one round is called in keys, subjects and paths. */
export interface PhaseRef {
  readonly session: string;
  readonly round: number;
  readonly attempt: number;
  readonly kind: TaskKind;
}

/** KV key of a phase; parts are names and numbers, so the dots are unambiguous. */
export function phaseKey(phase: PhaseRef): string {
  return `${phase.session}.${phase.round}.${phase.attempt}.${phase.kind}`;
}

/** Id of a client's task. It does not depend on the combiner, so a handed-over cohort keeps its tasks. */
export function taskId(phase: PhaseRef, client: string): string {
  return `${phaseKey(phase)}.${client}`;
}

/** Zero-padded number of a model in its session's trail: folders then sort in order. */
export function modelNumber(number: number): string {
  return String(number).padStart(6, '0');
}
