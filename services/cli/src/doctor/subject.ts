import type { ClientConfig } from '@consilium/protocol';

/** What `consilium doctor` looks at: this machine, and the site and the reducer it belongs to. */
export interface Subject {
  /** Of the reducer, if one is known: from client.yaml, else from the context. */
  readonly url?: string;
  /** API token of the context, if it is of the same reducer. */
  readonly token?: string;
  /** Key of the reducer as trusted before. */
  readonly reducerKey?: string;
  readonly client?: ClientConfig;
}
