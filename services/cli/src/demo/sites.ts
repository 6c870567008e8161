import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { joinTokenCreatedSchema } from '@consilium/protocol';
import { stringify } from 'yaml';
import type { ApiClient } from '../core/api-client.js';
import type { ChildSpec } from '../up/child.js';

export interface DemoSite {
  readonly name: string;
  /** Folder with the site's data. */
  readonly folder: string;
}

/**
 * Makes a site as a hospital would be made: a join token for its name, a client.yaml that allows one publisher,
 * and the client as a program of its own.
 */
export async function siteProgram(
  api: ApiClient,
  dir: string,
  site: DemoSite,
  allow: { readonly signer: string; readonly reducer: string },
): Promise<ChildSpec> {
  const home = join(dir, 'sites', site.name);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const { token } = await api.post('/join-tokens', { client: site.name }, joinTokenCreatedSchema);
  const config = {
    url: api.url,
    name: site.name,
    token,
    data: { path: site.folder, name: `Wisconsin breast cancer, ${site.name}` },
    state: join(home, 'state'),
    policy: { allowed_signers: [allow.signer] },
    reducer_key: allow.reducer,
    accelerator: 'cpu',
  };
  const file = join(home, 'client.yaml');
  await writeFile(file, stringify(config), { mode: 0o600 });
  return {
    name: site.name,
    command: process.execPath,
    args: [
      fileURLToPath(import.meta.resolve('@consilium/client/main')),
      ...['-i', file, '--ready-line', '--die-with-parent'],
    ],
    logFile: join(dir, 'logs', `${site.name}.log`),
    ready: async (line) => {
      while (!(await line()).includes('"ready":true'));
    },
  };
}
