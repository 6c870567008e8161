import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Device files behind which a GPU may stand: NVIDIA, AMD (kfd), any vendor through DRI, WSL. */
const DEVICE = /^(nvidia\d+|kfd|dxg)$/;

export interface FoundAccelerator {
  readonly hasGpu: boolean;
  /** For people: `nvidia0, dri/renderD128`, or `none found`. */
  readonly detail: string;
}

/** Looks for devices; whether a backend can use them is found out by the package's process. */
export async function findAccelerator(
  platform: string = process.platform,
  devices = '/dev',
): Promise<FoundAccelerator> {
  if (platform === 'darwin') return { hasGpu: true, detail: 'Metal' };
  const list = async (path: string): Promise<string[]> => readdir(path).catch(() => []); // not there: none
  const found = [
    ...(await list(devices)).filter((name) => DEVICE.test(name)),
    ...(await list(join(devices, 'dri')))
      .filter((name) => name.startsWith('render'))
      .map((name) => `dri/${name}`),
  ].sort();
  return { hasGpu: found.length > 0, detail: found.length === 0 ? 'none found' : found.join(', ') };
}
