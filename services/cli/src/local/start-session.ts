import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type PackageManifest,
  resolveConfig,
  runnableFromManifest,
  type TaskEvent,
  unpackPackage,
  verifyManifest,
} from '@consilium/package-runner';
import { downloadToFile } from '@consilium/platform';
import {
  ConsiliumError,
  cacheFolder,
  packageDetailSchema,
  packageViewSchema,
  type SessionView,
  sessionViewSchema,
} from '@consilium/protocol';
import { z } from 'zod';
import type { ApiClient } from '../core/api-client.js';
import { runEntry } from './run-entry.js';
import { applySettings, checkSpec, type SpecInput } from './session-file.js';
import { uploadModel } from './upload-model.js';

export interface SessionStart {
  /** Fields of session.yaml; the package may be missing when `package` names it. */
  readonly input: SpecInput;
  readonly package?: { readonly name: string; readonly version: string | undefined };
  readonly settings: readonly string[];
  /** An npz to start from; the package's init makes one when left out. */
  readonly seedFile?: string;
  /** Publishers whose init may run here. */
  readonly trusted: readonly string[];
  readonly where: string;
  readonly onEvent?: (event: TaskEvent) => void;
}

/**
 * Declares a session: fills the declaration in, makes or takes the seed model, uploads it, and asks the reducer.
 * `init` runs here, in the same sandbox as at a client, never in the reducer.
 */
export async function startSession(api: ApiClient, start: SessionStart): Promise<SessionView> {
  const reference = start.package ?? packageOf(start);
  const version = reference.version ?? (await newestVersion(api, reference.name));
  const detail = await api.get(`/packages/${reference.name}/${version}`, packageDetailSchema);
  const manifest = verifyManifest(detail.manifest, 'anyone');
  const named = { ...start.input, package: { name: reference.name, version } };
  const spec = checkSpec(applySettings(named, start.settings, manifest.content.config), start.where);
  // Refused here already, before anything is run or uploaded.
  const config = resolveConfig(manifest.content.config, spec.config);
  const seed = start.seedFile ?? undefined;
  const uploaded =
    seed === undefined
      ? await seedFromInit(api, start, manifest, detail.archive_url, config, spec.random_seed)
      : await uploadModel(api, seed);
  return api.post('/sessions', { spec, seed: uploaded }, sessionViewSchema);
}

function packageOf({ input, where }: SessionStart): { name: string; version: string | undefined } {
  const given = input.package;
  if (typeof given === 'object' && given !== null && 'name' in given && typeof given.name === 'string') {
    const version = 'version' in given && typeof given.version === 'string' ? given.version : undefined;
    return { name: given.name, version };
  }
  throw new ConsiliumError('SESSION_BAD_SPEC', 'It names no package.', {
    where: `${where}, package`,
    fix: 'Name one: --package name@version, or package: {name, version} in the file.',
  });
}

/** The version published last. @throws SESSION_NO_PACKAGE */
async function newestVersion(api: ApiClient, name: string): Promise<string> {
  const all = await api.get('/packages', z.array(packageViewSchema));
  const newest = all
    .filter((view) => view.name === name)
    .sort((a, b) => (a.created_at < b.created_at ? 1 : -1))[0];
  if (newest !== undefined) return newest.version;
  const known = [...new Set(all.map((view) => view.name))].join(', ') || 'none';
  throw new ConsiliumError('SESSION_NO_PACKAGE', `There is no ${name}; known: ${known}.`, {
    where: 'package',
  });
}

async function seedFromInit(
  api: ApiClient,
  start: SessionStart,
  manifest: PackageManifest,
  archiveUrl: string,
  config: Record<string, unknown>,
  seed: number,
): Promise<{ digest: string; size: number }> {
  const { name, version, digest, size, publisher, entry } = manifest.content;
  if (entry.init === undefined) {
    const fix = 'Give the seed model with --seed model.npz.';
    throw new ConsiliumError('SESSION_BAD_SEED', `${name} ${version} has no init entry.`, {
      where: 'seed',
      fix,
    });
  }
  if (!start.trusted.includes(publisher)) {
    const detail = `${name} ${version} was published by ${publisher}, whose code you have not allowed to run here.`;
    const fix = `Allow it with --trust ${publisher}, or give the seed model with --seed model.npz.`;
    throw new ConsiliumError('PKG_SIGNER_NOT_ALLOWED', detail, { where: 'init', fix });
  }
  const work = await mkdtemp(join(tmpdir(), 'consilium-init-'));
  try {
    const archive = join(work, 'package.tgz');
    await downloadToFile({ url: archiveUrl }, archive, { digest, size, dispatcher: api.dispatcher });
    const cache = join(cacheFolder(), 'packages');
    const unpacked = await unpackPackage(manifest, archive, { cache, allowed: { signers: start.trusted } });
    const runnable = runnableFromManifest(manifest, unpacked.folder);
    const events = start.onEvent === undefined ? {} : { onEvent: start.onEvent };
    return await runEntry(
      { package: runnable, entry: 'init', config, seed, ...events },
      async ({ parts }) => {
        if (parts.weights === undefined)
          throw new ConsiliumError('SESSION_BAD_SEED', 'init made no weights.');
        return uploadModel(api, parts.weights);
      },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
