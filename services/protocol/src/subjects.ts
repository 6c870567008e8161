/**
 * NATS subjects. A client may publish `consilium.up.*.<client>.*` and subscribe to
 * `consilium.down.<client>.>` and `_INBOX_<client>.>`; everything else is for services.
 */

/** The hub name under which any reducer answers; no combiner may be called that. */
export const reducerHub = 'reducer';

export const upVerbs = ['hello', 'sync', 'urls', 'complete', 'result', 'event'] as const;
/**
 * hello: to the reducer, answered with the combiner to talk to.
 * sync: to the combiner, what the client is doing; answered with all tasks that hold for it.
 * urls: signed URLs for the objects of a task. complete: finish a multipart upload.
 * result: the outcome of a task, resent until acknowledged. event: progress, no answer.
 */
export type UpVerb = (typeof upVerbs)[number];

/** down verbs: `tasks` carries the same as a sync answer, sent at once when something changed. */
export type DownVerb = 'tasks';

export const subjects = {
  up: (hub: string, client: string, verb: UpVerb): string => `consilium.up.${hub}.${client}.${verb}`,
  upAll: (hub: string): string => `consilium.up.${hub}.*.*`,
  down: (client: string, verb: DownVerb): string => `consilium.down.${client}.${verb}`,
  /** Events of a session, kept in the stream EVENTS. */
  event: (session: string): string => `consilium.event.${session}`,
  allEvents: 'consilium.event.*',
  audit: 'consilium.audit',
} as const;

/** Prefix of the private inbox of a client; the service of a `request` answers there. */
export function clientInbox(client: string): string {
  return `_INBOX_${client}`;
}

/**
 * Prefix of the private inbox of a service. A client may choose its name, so a client called `combiner-1` must
 * not get at what is answered to the combiner of that name: no name of a client has a capital letter.
 */
export function serviceInbox(service: string): string {
  return `_INBOX_S_${service}`;
}

/** What a client may do on NATS, and nothing else. */
export function clientPermissions(client: string): { publish: string[]; subscribe: string[] } {
  return {
    publish: [`consilium.up.*.${client}.*`],
    subscribe: [`consilium.down.${client}.>`, `${clientInbox(client)}.>`],
  };
}

/** Splits `consilium.up.<hub>.<client>.<verb>`; undefined for anything else. */
export function parseUp(subject: string): { hub: string; client: string; verb: UpVerb } | undefined {
  const parts = subject.split('.');
  const [a, b, hub, client, verb] = parts;
  if (parts.length !== 5 || a !== 'consilium' || b !== 'up' || !hub || !client) return undefined;
  const known = upVerbs.find((v) => v === verb);
  return known === undefined ? undefined : { hub, client, verb: known };
}

/** Durable state, JetStream KV buckets. TTL in seconds; 0 keeps for ever. */
export const kvBuckets = {
  sessions: { name: 'consilium_sessions', ttl: 0 },
  orders: { name: 'consilium_orders', ttl: 0 },
  reports: { name: 'consilium_reports', ttl: 0 },
  tasks: { name: 'consilium_tasks', ttl: 0 },
  clients: { name: 'consilium_clients', ttl: 0 },
  joinTokens: { name: 'consilium_join_tokens', ttl: 0 },
  users: { name: 'consilium_users', ttl: 0 },
  combiners: { name: 'consilium_combiners', ttl: 10 },
  presence: { name: 'consilium_presence', ttl: 20 },
  leases: { name: 'consilium_leases', ttl: 8 },
} as const;

export const streams = {
  events: { name: 'CONSILIUM_EVENTS', subjects: ['consilium.event.*'] },
  audit: { name: 'CONSILIUM_AUDIT', subjects: ['consilium.audit'] },
} as const;
