import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ObjectStore, type StoreDeps, storeFromConfig } from '@consilium/platform';
import { needsS3Server, type S3ServerName, startS3Server } from './s3-servers.js';
import { startStoreServerProcess, storeKey } from './store-server.js';

/** A running store that the contract is tested on. */
export interface StoreTarget {
  readonly url: string;
  /** Another host name of the same store. */
  readonly publicUrl: string;
  /** Opens it, with `publicUrl` as the public endpoint unless another is given. */
  open(options?: { readonly publicUrl?: string; readonly deps?: StoreDeps }): Promise<ObjectStore>;
  /** Opens it through another address, internal and public. */
  openAt(url: string, deps?: StoreDeps): Promise<ObjectStore>;
  stop(): Promise<void>;
}

export interface StoreKind {
  readonly name: string;
  readonly skip: string | false;
  start(): Promise<StoreTarget>;
}

export const storeKinds: readonly StoreKind[] = [
  { name: 'filesystem', skip: false, start: startFilesystem },
  { name: 'MinIO', skip: needsS3Server('minio'), start: () => startS3('minio') },
  { name: 'versitygw', skip: needsS3Server('versitygw'), start: () => startS3('versitygw') },
];

async function startFilesystem(): Promise<StoreTarget> {
  const root = await mkdtemp(join(tmpdir(), 'consilium-store-'));
  const server = await startStoreServerProcess(root);
  const publicUrl = server.url.replace('127.0.0.1', 'localhost');
  return {
    url: server.url,
    publicUrl,
    open: (options = {}) =>
      storeFromConfig(
        { kind: 'filesystem', url: server.url, publicUrl: options.publicUrl ?? publicUrl, key: storeKey },
        options.deps,
      ),
    openAt: (url, deps) => storeFromConfig({ kind: 'filesystem', url, key: storeKey }, deps),
    async stop() {
      await server.kill();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function startS3(name: S3ServerName): Promise<StoreTarget> {
  const server = await startS3Server(name);
  const { endpoint, publicEndpoint, accessKey, secretKey } = server;
  return {
    url: endpoint,
    publicUrl: publicEndpoint,
    open: (options = {}) =>
      storeFromConfig(
        {
          kind: 's3',
          endpoint,
          publicEndpoint: options.publicUrl ?? publicEndpoint,
          accessKey,
          secretKey,
        },
        options.deps,
      ),
    openAt: (url, deps) => storeFromConfig({ kind: 's3', endpoint: url, accessKey, secretKey }, deps),
    stop: () => server.stop(),
  };
}
