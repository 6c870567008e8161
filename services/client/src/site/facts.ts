import { detectIsolation, findSdk, type SdkLocation } from '@consilium/package-runner';
import { type ClientConfig, ConsiliumError, type HelloRequest } from '@consilium/protocol';
import type { SiteFacts } from '../policy.js';
import { findAccelerator } from './accelerator.js';

export interface Site {
  readonly facts: SiteFacts;
  readonly sdk: SdkLocation;
  /** What the reducer is told, and the person at the site. */
  readonly capabilities: HelloRequest['capabilities'];
}

/**
 * Finds out what this machine can give.
 * @throws ConsiliumError CLIENT_ACCELERATOR_MISSING (demanded by client.yaml), PKG_START_FAILED (no sdk)
 */
export async function lookAround(config: ClientConfig): Promise<Site> {
  const [isolation, found, sdk] = await Promise.all([
    detectIsolation(),
    findAccelerator(),
    findSdk(import.meta.url),
  ]);
  if (config.accelerator === 'required' && !found.hasGpu) {
    throw new ConsiliumError('CLIENT_ACCELERATOR_MISSING', 'accelerator is "required".', {
      where: 'client.yaml',
    });
  }
  const accelerator = config.accelerator === 'cpu' ? 'not used (accelerator: cpu)' : found.detail;
  return {
    facts: { isolation, accelerator: config.accelerator, hasGpu: found.hasGpu },
    sdk,
    capabilities: {
      sdk: sdk.version,
      node: process.version,
      isolation: `${isolation.isolation} (${isolation.detail})`,
      accelerator,
    },
  };
}
