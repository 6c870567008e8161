import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { breastPackage, breastSites } from '../support/breast-fna.js';
import { Federation } from '../support/federation.js';
import { assertWhole, contributors } from '../support/gate.js';
import { anyNats } from '../support/nats-servers.js';

const rounds = 2;

/** The same session of the same four hospitals: the digest of every model's weights, and who aggregated them. */
async function train(
  combiners: number,
): Promise<{ digests: string[]; aggregators: number; sites: string[][] }> {
  const federation = await Federation.start({ combiners, natsServer: anyNats.path! });
  try {
    await federation.publish(breastPackage);
    const sites = await breastSites(federation);
    await Promise.all(sites.map((site) => site.start()));
    const settings = [`rounds=${rounds}`, 'random_seed=7', 'clients_required=4', 'quorum=4'];
    await federation.startSession('same', 'breast-fna', settings);
    const result = await assertWhole(federation, 'same', rounds);
    const contributions = result.models.flatMap(({ manifest }) => manifest.content.contributions);
    return {
      digests: result.models.map(({ manifest }) => manifest.content.weights.digest),
      aggregators: new Set(contributions.map(({ combiner }) => combiner)).size,
      sites: contributors(result),
    };
  } finally {
    await federation.close();
  }
}

describe('the number of combiners', { skip: anyNats.skip }, () => {
  test('changes no byte of any model: one, two and four give the same weights', async () => {
    const one = await train(1);
    assert.equal(new Set(one.digests).size, rounds + 1, 'every round changes the model');
    for (const combiners of [2, 4]) {
      const several = await train(combiners);
      assert.equal(several.aggregators, combiners, 'every combiner has a part');
      assert.deepEqual(several.sites, one.sites);
      assert.deepEqual(several.digests, one.digests, `${combiners} combiners`);
    }
  });
});
