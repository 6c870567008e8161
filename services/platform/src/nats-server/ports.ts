import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConsiliumError } from '@consilium/protocol';

/** Addresses of a running nats-server, such as `nats://127.0.0.1:41235` and `ws://127.0.0.1:38555`. */
export interface NatsAddresses {
  readonly client: string;
  readonly websocket: string | undefined;
}

/** Removes what an earlier server wrote; call before starting one. */
export async function clearPorts(portsDir: string): Promise<void> {
  for (const name of await readdir(portsDir)) if (name.endsWith('.ports')) await rm(join(portsDir, name));
}

/**
 * Waits for the ports file that nats-server writes when it listens.
 *
 * @param timeout milliseconds.
 * @throws ConsiliumError BUS_UNAVAILABLE when there is none in time or the signal fires (the server
 *   has ended).
 */
export async function readAddresses(
  portsDir: string,
  options: { timeout?: number; signal?: AbortSignal } = {},
): Promise<NatsAddresses> {
  const { timeout = 30_000, signal } = options;
  for (let waited = 0; waited < timeout && signal?.aborted !== true; waited += 25) {
    const found = await tryRead(portsDir);
    if (found !== undefined) return found;
    await sleep(25);
  }
  const detail =
    signal?.aborted === true ? 'It ended while starting.' : `It wrote no ports within ${timeout} ms.`;
  throw new ConsiliumError('BUS_UNAVAILABLE', detail, { where: portsDir });
}

async function tryRead(portsDir: string): Promise<NatsAddresses | undefined> {
  const name = (await readdir(portsDir)).find((file) => file.endsWith('.ports'));
  if (name === undefined) return undefined;
  let ports: { nats?: string[]; websocket?: string[] };
  try {
    ports = JSON.parse(await readFile(join(portsDir, name), 'utf8')) as typeof ports;
  } catch {
    return undefined; // being written
  }
  const client = ports.nats?.[0];
  return client === undefined ? undefined : { client, websocket: ports.websocket?.[0] };
}
