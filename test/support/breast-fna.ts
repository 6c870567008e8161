import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Federation } from './federation.js';
import type { Site } from './site.js';

/** Sources of the package on real data. */
export const breastPackage = fileURLToPath(new URL('../../../compute-packages/breast-fna', import.meta.url));

interface Preparation {
  prepare(
    out: string,
    seed: number,
  ): { sites: readonly { name: string; folder: string; examples: number }[] };
}

/** The four unequal hospitals of the demo; not started yet. */
export async function breastSites(federation: Federation, seed = 0): Promise<Site[]> {
  const module = pathToFileURL(join(breastPackage, 'dist', 'prepare.js')).href;
  const { prepare } = (await import(module)) as Preparation;
  const sites: Site[] = [];
  for (const { name, folder } of prepare(join(federation.dir, 'data'), seed).sites) {
    sites.push(await federation.addSite(name, folder));
  }
  return sites;
}
