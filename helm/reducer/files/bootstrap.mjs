// Carries keys between a folder, where `bootstrap` of the image makes them, and the Secrets of this release.
//   node bootstrap.mjs restore    Secrets -> folder, before `bootstrap`, so that it keeps what is there
//   node bootstrap.mjs publish    folder -> Secrets, after it; a key that exists is never changed
// Node's own modules only: it runs from a ConfigMap.
import { createHash, randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { dirname, join, relative } from 'node:path';

const { env } = process;
const root = env.BOOTSTRAP_OUT ?? '/handover/keys';
const account = env.SERVICE_ACCOUNT_DIR ?? '/var/run/secrets/kubernetes.io/serviceaccount';
// Written by the chart: names, labels and what is managed here and what comes from Secrets of somebody else.
const plan = JSON.parse(env.BOOTSTRAP_PLAN ?? '{}');
const tokenFile = join(dirname(root), 'admin-token');

/**
 * Secret -> how a file of the folder is called in it; undefined for files that do not belong to it. `trust` is the
 * original, the others are what one service needs of it.
 */
const layout = {
  // A configuration of nats-server is among the keys; ours is the chart's.
  trust: (path) =>
    path.endsWith('.conf') ? undefined : /^trust\/(.+)$/.exec(path)?.[1].replaceAll('/', '__'),
  reducer: (path) => /^reducer\/(reducer\.nk|admin-token\.sha256)$/.exec(path)?.[1],
  reducerNats: (path) => /^reducer\/(account\.pub|account-signing\.nk|[^/]+\.creds)$/.exec(path)?.[1],
  combinerNats: (path) => /^combiners\/[^/]+\/([^/]+\.creds)$/.exec(path)?.[1],
  store: (path) => /^store\/(access-key|secret-key)$/.exec(path)?.[1],
};
const managed = () => Object.keys(layout).filter((kind) => plan.secrets[kind] !== undefined);

async function call(method, path, body) {
  const url = new URL(
    env.KUBERNETES_URL ?? `https://${hostInUrl(env.KUBERNETES_SERVICE_HOST)}:${env.KUBERNETES_SERVICE_PORT}`,
  );
  const [token, ca] = await Promise.all(
    ['token', 'ca.crt'].map((name) => readFile(join(account, name), 'utf8').catch(() => '')),
  );
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const text = body === undefined ? '' : JSON.stringify(body);
  return await new Promise((resolve, reject) => {
    const request = send(
      new URL(path, url),
      {
        method,
        timeout: 15_000,
        ...(ca === '' ? {} : { ca }),
        headers: {
          authorization: `Bearer ${token.trim()}`,
          accept: 'application/json',
          ...(text === ''
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
      },
      (response) => {
        const chunks = [];
        response.on('error', reject);
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode, body: parse(Buffer.concat(chunks)) }),
        );
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer within 15 s')));
    request.on('error', (cause) =>
      reject(new Error(`${method} ${url.origin}${path}: ${cause.message}`, { cause })),
    );
    request.end(text);
  });
}

function hostInUrl(host) {
  return host?.includes(':') ? `[${host}]` : host;
}

function parse(bytes) {
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 300) };
  }
}

const base = () => `/api/v1/namespaces/${plan.namespace}/secrets`;

/** The Secret, or undefined. */
async function read(name) {
  const answer = await call('GET', `${base()}/${name}`);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw new Error(`Secret ${name}: ${answer.status} ${answer.body.message ?? ''}`);
  return answer.body;
}

/**
 * Adds to the Secret what it lacks, making it if it is missing.
 * @param mayReplace for what follows from the keys and can be made again.
 */
async function write(name, files, { mayReplace = false } = {}) {
  const old = await read(name);
  const data = { ...old?.data };
  let added = 0;
  for (const [key, bytes] of files) {
    const value = bytes.toString('base64');
    if (data[key] === value) continue;
    if (data[key] !== undefined && !mayReplace) {
      throw new Error(
        `Secret ${name} has another "${key}" than the keys of ${plan.secrets.trust} give. A Secret of this release ` +
          'was lost and made anew. Restore it from your backup; nothing was changed.',
      );
    }
    data[key] = value;
    added += 1;
  }
  if (added === 0) return console.log(`Secret ${name}: complete`);
  const metadata = old?.metadata ?? { name, namespace: plan.namespace, labels: plan.labels };
  const secret = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', ...old, metadata, data };
  // With the resource version in the metadata: a second job at the same time gets a conflict, not a mixture.
  const answer =
    old === undefined ? await call('POST', base(), secret) : await call('PUT', `${base()}/${name}`, secret);
  if (answer.status >= 300) throw new Error(`Secret ${name}: ${answer.status} ${answer.body.message ?? ''}`);
  console.log(`Secret ${name}: ${old === undefined ? 'made' : 'completed'}, ${added} new`);
}

async function restore() {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const { trust } = plan.secrets;
  const kept = (await read(trust))?.data ?? {};
  for (const [key, value] of Object.entries(kept)) {
    await put(`trust/${key.replaceAll('__', '/')}`, Buffer.from(value, 'base64'));
  }
  console.log(`Secret ${trust}: ${Object.keys(kept).length} files`);
  if (Object.keys(kept).length === 0) await refuseHalf(trust);
  // Made here, not by `bootstrap`, which would print it into a log.
  if (plan.secrets.reducer !== undefined && kept['admin-token.sha256'] === undefined) {
    const token = `cat_${randomBytes(32).toString('base64url')}`;
    await put('trust/admin-token.sha256', `${createHash('sha256').update(token).digest('hex')}\n`);
    await writeFile(tokenFile, token, { mode: 0o600 });
  }
}

/** New keys beside old ones would lock everybody out of their own data. */
async function refuseHalf(trust) {
  for (const kind of managed().filter((name) => name !== 'trust')) {
    const name = plan.secrets[kind];
    if ((await read(name)) === undefined) continue;
    throw new Error(
      `Secret ${trust} is gone, ${name} is not. Restore ${trust} from your backup. Without one, delete ` +
        `${Object.values(plan.secrets).join(', ')} and the volumes of NATS: everything then starts with new keys, and clients enrol again.`,
    );
  }
}

async function put(path, content) {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, content, { mode: 0o600 });
  await chmod(file, 0o600);
}

async function filesBelow(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return paths.map((path) => relative(folder, path)).sort();
}

/** What nats-server is told of operator and accounts. Public, apart from the password of the routes. */
async function natsServer() {
  const at = (path) => readFile(join(root, 'nats', path), 'utf8').then((text) => text.trim());
  const accounts = (await readdir(join(root, 'nats/accounts')))
    .filter((name) => name.endsWith('.jwt'))
    .sort();
  const preload = await Promise.all(
    accounts.map(async (name) => `  ${name.replace(/\.jwt$/, '')}: ${await at(`accounts/${name}`)}`),
  );
  const trust = [
    `operator: ${await at('operator.jwt')}`,
    `system_account: ${await at('system-account.pub')}`,
    'resolver_preload {',
    ...preload,
    '}',
    '',
  ].join('\n');
  // The password follows from a key that no service has: the same on every run, and nothing more to keep.
  const seed = await readFile(join(root, 'trust/nats/keys/operator-signing.nk'), 'utf8');
  const password = `r-${createHash('sha256').update(`consilium routes\n${seed.trim()}`).digest('hex')}`;
  const cluster = [
    `authorization { user: "route", password: "${password}" }`,
    'routes: [',
    ...plan.peers.map((peer) => `  "nats://route:${password}@${peer}"`),
    ']',
    '',
  ].join('\n');
  return [
    ['trust.conf', Buffer.from(trust)],
    ['cluster.conf', Buffer.from(cluster)],
  ];
}

async function publish() {
  const paths = await filesBelow(root);
  const secrets = {};
  for (const kind of managed()) {
    secrets[kind] = [];
    for (const path of paths) {
      const key = layout[kind](path);
      if (key !== undefined) secrets[kind].push([key, await readFile(join(root, path))]);
    }
    if (secrets[kind].length === 0)
      throw new Error(`The bootstrap made nothing for Secret ${plan.secrets[kind]}.`);
  }
  // First what can be read once only: if this run ends here, the next makes a new token and replaces it.
  const token = await readFile(tokenFile).catch(() => undefined);
  if (token !== undefined) await write(plan.adminToken, [['token', token]], { mayReplace: true });
  for (const kind of managed()) await write(plan.secrets[kind], secrets[kind]);
  if (plan.natsServer !== undefined) await write(plan.natsServer, await natsServer(), { mayReplace: true });
}

const commands = { restore, publish };
try {
  const command = commands[process.argv[2]];
  if (command === undefined) throw new Error('usage: bootstrap.mjs restore|publish');
  await command();
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
