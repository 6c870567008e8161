import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIdentity, signDocument } from '@consilium/platform';
import { ConsiliumError, type ErrorCode, type Order, type ResultClaim } from '@consilium/protocol';
import { type ClaimContext, checkClaim, type DoneRequest } from './claim-rules.js';
import { digest, makeClaim, makeEnrolled, makeOrder, makeResult } from './testing/fixtures.js';

const site = createIdentity('user');
const stranger = createIdentity('user');
const client = 'a-site';
const train = makeOrder();
const validate = makeOrder({}, { kind: 'validate' });

function context(order: Order, changes: Partial<ClaimContext> = {}): ClaimContext {
  return { order, client, enrolled: makeEnrolled(client, site.publicKey), sizeFactor: 2, ...changes };
}

function result(order: Order, changes: Partial<ResultClaim> = {}): DoneRequest {
  return makeResult(makeClaim(order, client, changes), 'task', site);
}

function refused(code: ErrorCode, request: DoneRequest, against: ClaimContext, where?: string): void {
  const check = (error: unknown) => {
    assert.ok(error instanceof ConsiliumError);
    assert.equal(error.code, code);
    if (where !== undefined) assert.equal(error.where, where);
    return true;
  };
  assert.throws(() => checkClaim(request, against), check);
}

test('a claim that fits its task and is signed by the enrolled key passes', () => {
  checkClaim(result(train), context(train));
  checkClaim(result(validate), context(validate));
});

test('a site that is not enrolled, or was revoked, is refused whatever it signs', () => {
  refused('UPDATE_NOT_ENROLLED', result(train), context(train, { enrolled: undefined }));
  const revoked = makeEnrolled(client, site.publicKey, { revoked_at: '2025-12-02T00:00:00Z' });
  refused('UPDATE_CLIENT_REVOKED', result(train), context(train, { enrolled: revoked }));
});

test('a claim signed by another key than the enrolled one is refused', () => {
  const request = makeResult(makeClaim(train, client), 'task', stranger);
  refused('UPDATE_WRONG_KEY', request, context(train), 'signed.key');
});

test('a claim that names the enrolled key but was signed by another is refused', () => {
  const request = makeResult(makeClaim(train, client), 'task', stranger);
  request.signed.key = site.publicKey;
  refused('UPDATE_BAD_SIGNATURE', request, context(train), 'signed.signature');
});

test('a claim changed after signing is refused', () => {
  const request = result(train);
  request.signed.claim.num_examples += 1;
  refused('UPDATE_BAD_SIGNATURE', request, context(train));
});

test('a signature made for another purpose does not sign a result', () => {
  const request = result(train);
  request.signed.signature = signDocument('package-manifest', request.signed.claim, site).value;
  refused('UPDATE_BAD_SIGNATURE', request, context(train));
});

test('a claim in the name of another client is refused', () => {
  const request = makeResult(makeClaim(train, 'b-site'), 'task', site);
  refused('UPDATE_FOREIGN', request, context(train), 'signed.claim.client');
});

test('a claim for another session, round, attempt or kind is refused, and names the field', () => {
  const others: Partial<ResultClaim>[] = [
    { session: 'older' },
    { round: 1 },
    { attempt: 1 },
    { kind: 'validate' },
  ];
  for (const change of others) {
    refused(
      'UPDATE_WRONG_TASK',
      result(train, change),
      context(train),
      `signed.claim.${Object.keys(change)[0]}`,
    );
  }
});

test('a claim from another base model or package is refused', () => {
  refused('UPDATE_WRONG_BASE', result(train, { base: digest('9') }), context(train));
  refused('UPDATE_WRONG_PACKAGE', result(train, { package: digest('9') }), context(train));
});

test('training needs at least one example and at most max_examples; validation may have none', () => {
  refused('UPDATE_BAD_EXAMPLES', result(train, { num_examples: 0 }), context(train));
  refused('UPDATE_BAD_EXAMPLES', result(train, { num_examples: 1001 }), context(train));
  refused('UPDATE_BAD_EXAMPLES', result(validate, { num_examples: 1001 }), context(validate));
  checkClaim(result(train, { num_examples: 1 }), context(train));
  checkClaim(result(train, { num_examples: 1000 }), context(train));
  checkClaim(result(validate, { num_examples: 0 }), context(validate));
});

test('training names an update and its size; validation must not', () => {
  const { update: _, ...without } = makeClaim(train, client);
  refused('UPDATE_MISSING', makeResult(without, 'task', site), context(train), 'signed.claim.update');
  const { update_size: __, ...sizeless } = result(train);
  refused('UPDATE_MISSING', sizeless, context(train), 'update_size');
  refused('UPDATE_BAD_CLAIM', result(validate, { update: digest('4') }), context(validate));
});

test('an update much larger than its base model is refused before anything is read', () => {
  const limit = 2 * 1000 + 1024 * 1024;
  const sized = (update_size: number) => ({ ...result(train), update_size });
  checkClaim(sized(limit), context(train));
  refused('UPDATE_TOO_LARGE', sized(limit + 1), context(train), 'update_size');
});
