import {
  type Accelerator,
  chooseIsolation,
  type IsolationStatus,
  type PackageContent,
  resolveAccelerator,
  resolveLimits,
  type SiteLimits,
  type TaskLimits,
} from '@consilium/package-runner';
import { type ClientConfig, ConsiliumError, type Policy } from '@consilium/protocol';
import { parseSize } from './config/size.js';

/** What this machine can give. */
export interface SiteFacts {
  readonly isolation: IsolationStatus;
  /** Setting of client.yaml. */
  readonly accelerator: ClientConfig['accelerator'];
  /** Whether the machine shows a device that may be used as one. */
  readonly hasGpu: boolean;
}

/** What the policy needs to know of a package; all of it from the manifest whose signature was checked. */
export type PackageFacts = Pick<PackageContent, 'name' | 'version' | 'digest' | 'publisher' | 'resources'>;

/** A package may run, within these bounds. */
export interface Permission {
  readonly by: 'signer' | 'digest';
  readonly limits: TaskLimits;
  readonly accelerator: Accelerator;
}

/**
 * Whether the site lets this package run, and within which bounds: the tighter of what the site grants and
 * the package asks for. Nothing of the package needs to have been downloaded but its manifest.
 *
 * @throws ConsiliumError CLIENT_PACKAGE_NOT_ALLOWED, PKG_ISOLATION_UNAVAILABLE, PKG_NETWORK_DENIED,
 *   PKG_RESOURCES_DENIED, CLIENT_ACCELERATOR_MISSING, in this order
 */
export function permit(policy: Policy, site: SiteFacts, pkg: PackageFacts): Permission {
  const where = `package ${pkg.name} ${pkg.version}`;
  const by = allowedBy(policy, pkg);
  if (by === undefined) throw notAllowed(policy, pkg, where);
  chooseIsolation(policy.isolation, site.isolation);
  if (pkg.resources.network === 'any' && policy.network === 'none') {
    throw new ConsiliumError('PKG_NETWORK_DENIED', 'policy.network is none.', { where });
  }
  return {
    by,
    limits: resolveLimits(pkg, siteLimits(policy)),
    accelerator: acceleratorFor(site, pkg, where),
  };
}

function siteLimits(policy: Policy): SiteLimits {
  return {
    ...(policy.memory === undefined ? {} : { memory: parseSize(policy.memory) }),
    ...(policy.cpus === undefined ? {} : { cpus: policy.cpus }),
    timeout: policy.task_timeout_seconds,
  };
}

/** What names the package among those the policy allows. */
export function allowedBy(
  policy: Policy,
  pkg: Pick<PackageFacts, 'digest' | 'publisher'>,
): Permission['by'] | undefined {
  if (policy.allowed_digests.includes(pkg.digest)) return 'digest';
  return policy.allowed_signers.includes(pkg.publisher) ? 'signer' : undefined;
}

function notAllowed(policy: Policy, pkg: PackageFacts, where: string): ConsiliumError {
  const count = policy.allowed_signers.length;
  const allowed = count === 0 ? 'no signer' : `${count} other signer${count === 1 ? '' : 's'}`;
  const detail = `It is signed by ${pkg.publisher} and has the digest ${pkg.digest}; this site allows ${allowed}.`;
  const fix =
    `If this site trusts them, add ${pkg.publisher} to policy.allowed_signers ` +
    `(or the digest to policy.allowed_digests) in client.yaml and restart the client.`;
  return new ConsiliumError('CLIENT_PACKAGE_NOT_ALLOWED', detail, { where, fix });
}

function acceleratorFor(site: SiteFacts, pkg: PackageFacts, where: string): Accelerator {
  const accelerator = resolveAccelerator(pkg, site.accelerator);
  if (site.hasGpu) return accelerator;
  if (accelerator !== 'required') return 'none';
  const who = pkg.resources.accelerator === 'required' ? 'the package' : 'client.yaml';
  throw new ConsiliumError('CLIENT_ACCELERATOR_MISSING', `It is required by ${who}.`, { where });
}
