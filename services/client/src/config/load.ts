import { dirname, resolve } from 'node:path';
import type { ClientConfig } from '@consilium/protocol';
import { applyEnvironment } from './environment.js';
import { applyFednKeys } from './fedn-keys.js';
import { checkFolders } from './folders.js';
import { createLayers, type KeyPath } from './layers.js';
import { checkConfig } from './problems.js';
import { readYamlFile } from './yaml-file.js';

export interface ConfigOverrides {
  /** `--name`; wins over the environment and the file. */
  readonly name?: string;
  /** Defaults to `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface LoadedConfig {
  /** Checked; `data.path`, `state` and `ca_file` are absolute. */
  readonly config: ClientConfig;
  /** Absolute path of the file. */
  readonly file: string;
  /** What a person should know: FEDn keys that were translated or ignored, variables that look mistyped. */
  readonly notices: readonly string[];
}

/**
 * Reads client.yaml, lays `CONSILIUM_<KEY>` and the command line over it, checks everything, makes the
 * state folder. Relative paths are relative to the folder of the file, wherever they come from.
 *
 * @throws ConsiliumError CLIENT_CONFIG_MISSING, CLIENT_CONFIG_SYNTAX, CLIENT_UNKNOWN_KEY, CLIENT_BAD_TOKEN,
 *   CLIENT_BAD_CONFIG, CLIENT_DATA_MISSING, CLIENT_STATE_UNWRITABLE, CLIENT_CA_UNREADABLE, each with file and line,
 *   variable or option in `where`.
 */
export async function loadClientConfig(file: string, overrides: ConfigOverrides = {}): Promise<LoadedConfig> {
  const path = resolve(file);
  const yaml = await readYamlFile(path);
  const layers = createLayers(yaml.values, yaml.locate);
  const notices = applyFednKeys(layers);
  notices.push(...applyEnvironment(layers, overrides.env ?? process.env));
  if (overrides.name !== undefined) layers.set(['name'], overrides.name, 'option --name');
  const checked = checkConfig(layers);
  const folder = dirname(path);
  const config: ClientConfig = {
    ...checked,
    url: checked.url.replace(/\/+$/, ''),
    data: { ...checked.data, path: resolve(folder, checked.data.path) },
    state: resolve(folder, checked.state),
    ...(checked.ca_file === undefined ? {} : { ca_file: resolve(folder, checked.ca_file) }),
  };
  await checkFolders(config, (key: KeyPath) => layers.where(key));
  return { config, file: path, notices };
}
