// Entry point of consilium-reducer: the first word is the role. See deploy/README.md, "Contract of the images".
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { become, rememberHealth, say, stopWith } from './common.mjs';

const data = '/var/lib/consilium';

/** Keys that the image sets where neither the file nor the environment does: [path, value]. */
const defaults = {
  reducer: [
    [['listen', 'host'], '0.0.0.0'],
    [['listen', 'port'], '8080'],
    [['temp_dir'], join(data, 'tmp')],
  ],
  combiner: [
    [['health', 'host'], '0.0.0.0'],
    [['health', 'port'], '8081'],
    [['temp_dir'], join(data, 'tmp')],
  ],
};

const [role, ...words] = process.argv.slice(2);
copySecrets(process.env.CONSILIUM_SECRETS_DIR);
if (role === undefined) {
  stopWith('usage: reducer | combiner | store-server | bootstrap, or a command of consilium such as doctor');
} else if (role === 'reducer' || role === 'combiner') {
  await service(role);
} else if (role === 'store-server') {
  await storeServer();
} else {
  await become('@consilium/cli/main', [role, ...words]);
}

async function service(name) {
  const file = configFile(name);
  const config = file === undefined ? {} : readConfig(file);
  for (const [path, value] of defaults[name]) {
    const variable = `CONSILIUM_${path.join('__').toUpperCase()}`;
    const given = path.reduce((at, key) => at?.[key], config);
    if (given === undefined && (process.env[variable] ?? '') === '') process.env[variable] = value;
  }
  publicAddress(name, config);
  const section = name === 'reducer' ? 'listen' : 'health';
  const port = process.env[`CONSILIUM_${section.toUpperCase()}__PORT`] || config[section]?.port;
  rememberHealth(`http://127.0.0.1:${port}/ready`);
  const from = file === undefined ? [] : ['--config', file];
  await become(`@consilium/${name}/main`, ['--env', ...from, ...words]);
}

/** CONSILIUM_PUBLIC_URL, the one address, sets what follows from it and is not given by itself. */
function publicAddress(name, config) {
  const url = (process.env.CONSILIUM_PUBLIC_URL ?? '').replace(/\/+$/, '');
  if (url === '') return;
  if (!/^https?:\/\/[^/]+$/.test(url)) {
    stopWith(
      `CONSILIUM_PUBLIC_URL is "${url}"; expected scheme, host and port only: https://consilium.example.org`,
    );
  }
  const set = (given, variable, value) => {
    if (given === undefined && (process.env[variable] ?? '') === '') process.env[variable] = value;
  };
  const kind = process.env.CONSILIUM_STORE__KIND || config.store?.kind;
  if (kind === 'filesystem') set(config.store?.publicUrl, 'CONSILIUM_STORE__PUBLIC_URL', url);
  else set(config.store?.publicEndpoint, 'CONSILIUM_STORE__PUBLIC_ENDPOINT', url);
  if (name !== 'reducer') return;
  const nats = `${url.replace(/^http/, 'ws')}/nats`;
  set(config.nats?.client_servers, 'CONSILIUM_NATS__CLIENT_SERVERS', nats);
}

async function storeServer() {
  const given = (flag) => words.some((word) => word === flag || word.startsWith(`${flag}=`));
  const set = [
    ['--root', join(data, 'store')],
    ['--host', '0.0.0.0'],
    ['--port', '9000'],
  ].flatMap((pair) => (given(pair[0]) ? [] : pair));
  const all = [...set, ...words];
  const at = all.findIndex((word) => word.startsWith('--port'));
  rememberHealth(`http://127.0.0.1:${all[at].split('=')[1] ?? all[at + 1]}/healthz`);
  await become('@consilium/store-server/main', all);
}

function configFile(name) {
  const given = process.env.CONSILIUM_CONFIG;
  if (given !== undefined && given !== '') return given;
  const usual = `/etc/consilium/${name}.json`;
  return existsSync(usual) ? usual : undefined;
}

/** Whatever is wrong with the file, the service itself says it best. */
function readConfig(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) ?? {};
  } catch {
    return {};
  }
}

/** Key files must be their owner's alone; some orchestrators can only give them to a group. */
function copySecrets(folder) {
  if (folder === undefined || folder === '') return;
  const target = join(tmpdir(), 'consilium-secrets');
  try {
    mkdirSync(target, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder)) {
      if (!statSync(join(folder, name)).isFile()) continue;
      const copy = join(target, name);
      rmSync(copy, { force: true });
      writeFileSync(copy, readFileSync(join(folder, name)), { mode: 0o600, flag: 'wx' });
    }
  } catch (error) {
    say(`CONSILIUM_SECRETS_DIR: ${error.message}`);
    process.exit(3);
  }
}
