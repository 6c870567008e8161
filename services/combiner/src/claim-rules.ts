import { isDocumentSignedBy } from '@consilium/platform';
import {
  type ClientRecord,
  ConsiliumError,
  type ErrorCode,
  type Order,
  purposes,
  type ResultClaim,
  type ResultRequest,
  type SignedClaim,
} from '@consilium/protocol';
import { baseOf, updateSizeLimit } from './update-limits.js';

/** A result with a signed claim, as opposed to a reported failure. */
export type DoneRequest = Extract<ResultRequest, { outcome: 'done' }>;

export interface ClaimContext {
  readonly order: Order;
  /** Whose subject the result came in on; NATS permissions vouch for it. */
  readonly client: string;
  /** The site's enrolment, as it is now. */
  readonly enrolled: ClientRecord | undefined;
  /** Updates up to base size × this factor are taken (and a little slack for tiny models). */
  readonly sizeFactor: number;
}

/**
 * Everything that can be said of a result without opening the update: who signed it, which task it is for,
 * and whether its numbers are plausible. Pure.
 *
 * @throws ConsiliumError with an `UPDATE_` code; each means that the result is refused for good.
 */
export function checkClaim(request: DoneRequest, context: ClaimContext): void {
  const { claim } = request.signed;
  checkSigner(request.signed, context);
  checkTask(claim, context);
  checkNumbers(claim, context.order);
  if (context.order.template.kind === 'train') checkUpdateNamed(request, context);
  else checkNoUpdate(request);
}

function checkSigner(signed: SignedClaim, { client, enrolled }: ClaimContext): void {
  if (enrolled === undefined) {
    throw refusal('UPDATE_NOT_ENROLLED', `"${client}" is not enrolled.`, 'client');
  }
  if (enrolled.revoked_at !== null) {
    throw refusal('UPDATE_CLIENT_REVOKED', `"${client}" was revoked at ${enrolled.revoked_at}.`, 'client');
  }
  if (signed.key !== enrolled.key) {
    const detail = `The claim names the key ${signed.key}, "${client}" enrolled with ${enrolled.key}.`;
    throw refusal('UPDATE_WRONG_KEY', detail, 'signed.key');
  }
  const signature = { key: signed.key, value: signed.signature };
  if (!isDocumentSignedBy(purposes.result, signed.claim, signature, enrolled.key)) {
    const detail = `It is not a "${purposes.result}" signature of ${enrolled.key} over this claim.`;
    throw refusal('UPDATE_BAD_SIGNATURE', detail, 'signed.signature');
  }
}

function checkTask(claim: ResultClaim, { order, client }: ClaimContext): void {
  if (claim.client !== client) {
    const detail = `The claim is of "${claim.client}", it was sent by "${client}".`;
    throw refusal('UPDATE_FOREIGN', detail, 'signed.claim.client');
  }
  const { template } = order;
  for (const field of ['session', 'round', 'attempt', 'kind'] as const) {
    if (claim[field] === template[field]) continue;
    const detail = `${field} is ${JSON.stringify(claim[field])}, the task's is ${JSON.stringify(template[field])}.`;
    throw refusal('UPDATE_WRONG_TASK', detail, `signed.claim.${field}`);
  }
  const base = baseOf(order).digest;
  if (claim.base !== base) {
    const detail = `It started from ${claim.base}, the task from ${base}.`;
    throw refusal('UPDATE_WRONG_BASE', detail, 'signed.claim.base');
  }
  const archive = template.package.archive.digest;
  if (claim.package !== archive) {
    const detail = `It ran ${claim.package}, the task names ${archive}.`;
    throw refusal('UPDATE_WRONG_PACKAGE', detail, 'signed.claim.package');
  }
}

function checkNumbers(claim: ResultClaim, order: Order): void {
  const least = order.template.kind === 'train' ? 1 : 0;
  if (claim.num_examples < least || claim.num_examples > order.max_examples) {
    const detail = `num_examples is ${claim.num_examples}, accepted are ${least} to ${order.max_examples}.`;
    throw refusal('UPDATE_BAD_EXAMPLES', detail, 'signed.claim.num_examples');
  }
}

function checkUpdateNamed(request: DoneRequest, { order, sizeFactor }: ClaimContext): void {
  if (request.signed.claim.update === undefined) {
    throw refusal('UPDATE_MISSING', 'The claim names no update.', 'signed.claim.update');
  }
  if (request.update_size === undefined) {
    throw refusal('UPDATE_MISSING', 'The size of the update is not stated.', 'update_size');
  }
  checkUpdateSize(request.update_size, order, sizeFactor, 'update_size');
}

function checkNoUpdate(request: DoneRequest): void {
  if (request.signed.claim.update !== undefined || request.update_size !== undefined) {
    const detail = 'A validation has no update, the claim names one.';
    throw refusal('UPDATE_BAD_CLAIM', detail, 'signed.claim.update');
  }
}

/** @throws ConsiliumError UPDATE_TOO_LARGE */
export function checkUpdateSize(size: number, order: Order, factor: number, where: string): void {
  const limit = updateSizeLimit(baseOf(order).size, factor);
  if (size <= limit) return;
  const detail = `It has ${size} bytes; at most ${limit} are taken for a base model of ${baseOf(order).size}.`;
  throw refusal('UPDATE_TOO_LARGE', detail, where);
}

function refusal(code: ErrorCode, detail: string, where: string): ConsiliumError {
  return new ConsiliumError(code, detail, { where });
}
