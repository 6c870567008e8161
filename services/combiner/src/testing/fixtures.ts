import { createIdentity, type Identity, signDocument } from '@consilium/platform';
import {
  type ClientRecord,
  type Order,
  purposes,
  type ResultClaim,
  type TaskRecord,
  type TaskTemplate,
  taskId,
} from '@consilium/protocol';
import type { DoneRequest } from '../claim-rules.js';
import { phaseOf } from '../phase.js';

/** What the unit tests start from: a valid phase, claim and enrolment, changed field by field. */

export const deadline = Date.parse('2026-01-01T01:00:00Z');
export const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;
const ref = (key: string, digit: string, size = 1000) => ({
  bucket: 'consilium-models' as const,
  key,
  digest: digest(digit),
  size,
});

export function makeOrder(changes: Partial<Order> = {}, template: Partial<TaskTemplate> = {}): Order {
  return {
    schema: 1,
    combiner: 'north',
    epoch: 1,
    clients: ['b-site', 'a-site', 'c-site'],
    template: {
      kind: 'train',
      session: 'trial',
      round: 2,
      attempt: 0,
      rounds: 5,
      package: {
        name: 'net',
        version: '1.0.0',
        archive: ref('net.tgz', '1'),
        manifest: ref('net.json', '2'),
      },
      inputs: { weights: ref('base.npz', '3') },
      config: {},
      random_seed: 7,
      deadline: new Date(deadline).toISOString(),
      ...template,
    },
    weighting: 'examples',
    max_update_norm: null,
    max_examples: 1000,
    close: false,
    ...changes,
  };
}

export function makeClaim(order: Order, client: string, changes: Partial<ResultClaim> = {}): ResultClaim {
  const { template } = order;
  return {
    schema: 1,
    ...phaseOf(order),
    client,
    base: template.inputs.weights?.digest ?? '',
    package: template.package.archive.digest,
    ...(template.kind === 'train' ? { update: digest('4') } : {}),
    num_examples: 10,
    metrics: { loss: 0.5 },
    data_set: { name: 'd', files: 1, bytes: 1, digest: digest('5') },
    execution: { backend: 'cpu', isolation: 'none', duration_ms: 5 },
    completed_at: '2026-01-01T00:30:00Z',
    ...changes,
  };
}

export function makeResult(claim: ResultClaim, task: string, identity: Identity): DoneRequest {
  const { key, value } = signDocument(purposes.result, claim, identity);
  const size = claim.update === undefined ? {} : { update_size: 1000 };
  return { outcome: 'done', task, signed: { claim, key, signature: value }, ...size };
}

export function makeEnrolled(client: string, key: string, changes: Partial<ClientRecord> = {}): ClientRecord {
  return {
    schema: 1,
    client,
    key,
    enrolled_at: '2025-12-01T00:00:00Z',
    revoked_at: null,
    combiner: null,
    capabilities: {},
    version: '0.1.0',
    ...changes,
  };
}

/** A record of an accepted result, with a signature that is not looked at any more. */
export function makeDone(order: Order, client: string, changes: Partial<ResultClaim> = {}): TaskRecord {
  const claim = makeClaim(order, client, changes);
  const task = taskId(phaseOf(order), client);
  const { signed } = makeResult(claim, task, createIdentity('user'));
  const train = order.template.kind === 'train';
  const update = { bucket: 'consilium-work' as const, key: `u/${client}`, digest: digest('4'), size: 1000 };
  return {
    schema: 1,
    task,
    client,
    combiner: order.combiner,
    state: 'done',
    signed,
    update: train ? update : null,
    error: null,
    at: '2026-01-01T00:30:00Z',
  };
}

export function makeFailed(order: Order, client: string, code = 'CLIENT_SOMETHING'): TaskRecord {
  const error = { code, detail: 'it broke', log_tail: 'last line' };
  return { ...makeDone(order, client), state: 'failed', signed: null, update: null, error };
}

export function byClient(...records: TaskRecord[]): Map<string, TaskRecord> {
  return new Map(records.map((record) => [record.client, record]));
}
