import { isDeepStrictEqual } from 'node:util';
import { ConsiliumError } from '@consilium/protocol';
import type { PackageManifest } from './manifest.js';
import { runnableFromFolder, runnableFromManifest } from './runnable.js';

/**
 * Whether a manifest says of an unpacked package what its own package.yaml says: name, version and all of how
 * it is run. Who allows an archive by its digest has read the archive; a stranger's manifest beside it could
 * name another command.
 *
 * @param folder as `unpackPackage` gives it.
 * @throws ConsiliumError PKG_MANIFEST_DIFFERS, PKG_NOT_A_PACKAGE, PKG_BAD_YAML
 */
export async function requireOwnManifest(manifest: PackageManifest, folder: string): Promise<void> {
  const own = await runnableFromFolder(folder);
  const claimed = runnableFromManifest(manifest, own.folder);
  const differs = (Object.keys({ ...own, ...claimed }) as (keyof typeof own)[]).find(
    (field) => field !== 'digest' && !isDeepStrictEqual(plain(own[field]), plain(claimed[field])),
  );
  if (differs === undefined) return;
  const { name, version, publisher } = manifest.content;
  const detail = `The manifest of ${publisher} has another "${differs}" than package.yaml.`;
  throw new ConsiliumError('PKG_MANIFEST_DIFFERS', detail, { where: `${name} ${version}` });
}

/** As it is signed: members that are undefined are not there. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
