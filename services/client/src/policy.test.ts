import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConsiliumError, policySchema } from '@consilium/protocol';
import { type PackageFacts, permit, type SiteFacts } from './policy.js';

const ALICE = `U${'A'.repeat(55)}`;
const BOB = `U${'B'.repeat(55)}`;
const DIGEST = `sha256:${'0'.repeat(64)}`;
const bubblewrap = { isolation: 'bubblewrap', bwrap: '/usr/bin/bwrap', detail: '' } as const;
const none = { isolation: 'process', detail: 'bubblewrap is not installed' } as const;
const site: SiteFacts = { isolation: bubblewrap, accelerator: 'auto', hasGpu: false };

function pkg(resources: Partial<PackageFacts['resources']> = {}): PackageFacts {
  return {
    name: 'digits-cnn',
    version: '1.0.0',
    digest: DIGEST,
    publisher: ALICE,
    resources: { network: 'none', accelerator: 'none', ...resources },
  };
}

const policyOf = (fields: object) => policySchema.parse({ allowed_signers: [ALICE], ...fields });

function refusal(policy: object, where: Partial<SiteFacts> = {}, facts = pkg()): ConsiliumError {
  try {
    permit(policyOf(policy), { ...site, ...where }, facts);
  } catch (error) {
    assert.ok(error instanceof ConsiliumError);
    return error;
  }
  assert.fail('it was permitted');
}

describe('the policy of a site', () => {
  test('lets a package of an allowed signer run, with the default time', () => {
    const permission = permit(policyOf({}), site, pkg());
    assert.equal(permission.by, 'signer');
    assert.equal(permission.limits.timeout, 6 * 3600);
    assert.equal(permission.accelerator, 'none');
  });

  test('lets an archive run that is allowed by its digest, whoever signed it', () => {
    const policy = policyOf({ allowed_signers: [BOB], allowed_digests: [DIGEST] });
    assert.equal(permit(policy, site, pkg()).by, 'digest');
  });

  test('allows nobody by default', () => {
    assert.equal(refusal({ allowed_signers: [] }).code, 'CLIENT_PACKAGE_NOT_ALLOWED');
  });

  test('names the signer it refuses, and how to allow it', () => {
    const error = refusal({ allowed_signers: [BOB] });
    assert.equal(error.code, 'CLIENT_PACKAGE_NOT_ALLOWED');
    assert.match(error.detail, new RegExp(ALICE));
    assert.match(error.fix, new RegExp(`add ${ALICE} to policy.allowed_signers`));
  });

  test('that demands a sandbox refuses on a machine without, and only there', () => {
    assert.equal(refusal({ isolation: 'sandbox' }, { isolation: none }).code, 'PKG_ISOLATION_UNAVAILABLE');
    assert.ok(permit(policyOf({ isolation: 'sandbox' }), site, pkg()));
    assert.ok(permit(policyOf({}), { ...site, isolation: none }, pkg()));
  });

  test('refuses a package that asks for the network unless it grants it', () => {
    assert.equal(refusal({}, {}, pkg({ network: 'any' })).code, 'PKG_NETWORK_DENIED');
    assert.ok(permit(policyOf({ network: 'any' }), site, pkg({ network: 'any' })));
  });

  test('refuses a package that asks for more memory than it grants', () => {
    const error = refusal({ memory: '1 GiB' }, {}, pkg({ memory: 2 ** 30 + 1 }));
    assert.equal(error.code, 'PKG_RESOURCES_DENIED');
    assert.equal(permit(policyOf({ memory: '1 GiB' }), site, pkg({ memory: 5 })).limits.memory, 5);
    assert.equal(permit(policyOf({ memory: '1 GiB' }), site, pkg()).limits.memory, 2 ** 30);
  });

  test('takes the tighter of both sides for time and processors', () => {
    const policy = policyOf({ task_timeout_seconds: 60, cpus: 1 });
    const { limits } = permit(policy, site, pkg({ timeout: 30, cpus: 8 }));
    assert.equal(limits.timeout, 30);
    assert.equal(limits.threads, 1);
    assert.equal(permit(policy, site, pkg({ timeout: 90 })).limits.timeout, 60);
  });

  test('gives the GPU to packages that can use one, where there is one', () => {
    const wish = (accelerator: 'none' | 'optional' | 'required') => pkg({ accelerator });
    const gpu: SiteFacts = { ...site, hasGpu: true };
    assert.equal(permit(policyOf({}), gpu, wish('none')).accelerator, 'none');
    assert.equal(permit(policyOf({}), gpu, wish('optional')).accelerator, 'optional');
    assert.equal(permit(policyOf({}), gpu, wish('required')).accelerator, 'required');
    assert.equal(permit(policyOf({}), site, wish('optional')).accelerator, 'none');
    assert.equal(refusal({}, {}, wish('required')).code, 'CLIENT_ACCELERATOR_MISSING');
    assert.equal(
      refusal({}, { accelerator: 'required' }, wish('optional')).code,
      'CLIENT_ACCELERATOR_MISSING',
    );
    const off: SiteFacts = { ...gpu, accelerator: 'cpu' };
    assert.equal(permit(policyOf({}), off, wish('optional')).accelerator, 'none');
    assert.equal(refusal({}, { ...off }, wish('required')).code, 'PKG_RESOURCES_DENIED');
  });
});
