import type { EventStream, Identity, Logger, NonceCache, ObjectStore } from '@consilium/platform';
import type { SessionEvent } from '@consilium/protocol';
import type { Audit } from '../audit.js';
import type { SessionEngine } from '../engine/engine.js';
import type { Fleet } from '../engine/fleet.js';
import type { PackageRegistry } from '../registry/registry.js';
import type { ReducerState } from '../state.js';

/** What the routes need. */
export interface ApiContext {
  readonly state: ReducerState;
  readonly store: ObjectStore;
  readonly registry: PackageRegistry;
  readonly fleet: Fleet;
  readonly engine: SessionEngine;
  readonly events: EventStream;
  readonly audit: Audit;
  readonly identity: Identity;
  readonly nats: ClientAccess;
  readonly publish: (event: SessionEvent) => void;
  readonly nonces: NonceCache;
  /** Whether NATS can be reached now. */
  readonly isReady: () => boolean;
  readonly log: Logger;
  readonly now: () => number;
}

/** How clients get on to NATS. */
export interface ClientAccess {
  /** Addresses that clients can reach. */
  readonly urls: readonly string[];
  /** A user JWT for this client's key, valid for ten minutes. */
  jwtFor(client: string, publicKey: string): Promise<{ jwt: string; expiresAt: number }>;
}

/** Seconds that URLs handed out over the API live. */
export const urlSeconds = 3600;
