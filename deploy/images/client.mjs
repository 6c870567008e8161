// Entry point of consilium-client. See deploy/README.md, "Contract of the images".
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createLogger } from '@consilium/platform';
import { parse } from 'yaml';
import { become, rememberHealth } from './common.mjs';

const usualState = '/var/lib/consilium';
const words = command(process.argv.slice(2));
if (words[0] === 'client' && !['list', 'revoke'].includes(words[1])) prepareClient(words);
await become('@consilium/cli/main', words);

/** `fedn client start -in client.yaml`, `fedn run client -in …` and nothing at all mean the same. */
function command(given) {
  const all = [...given];
  while (['fedn', 'consilium', 'consilium-client', 'run'].includes(all[0])) all.shift();
  if (all.length === 0 || (all[0].startsWith('-') && !['--help', '-h', '--version', '-V'].includes(all[0]))) {
    return ['client', ...all];
  }
  return all;
}

function prepareClient(all) {
  const log = createLogger({ service: 'client' });
  const at = all.findIndex((word) => ['-i', '-in', '--in'].includes(word));
  const file = resolve(at < 0 ? 'client.yaml' : (all[at + 1] ?? 'client.yaml'));
  const yaml = read(file, log);
  setUnlessGiven(yaml?.data?.path, 'CONSILIUM_DATA__PATH', '/app/data');
  if (yaml?.name !== undefined) setUnlessGiven(yaml.data?.name, 'CONSILIUM_DATA__NAME', String(yaml.name));
  setUnlessGiven(yaml?.state, 'CONSILIUM_STATE', usualState);
  setUnlessGiven(yaml?.health?.port, 'CONSILIUM_HEALTH__PORT', '8089');
  const port = process.env.CONSILIUM_HEALTH__PORT || yaml?.health?.port;
  rememberHealth(`http://127.0.0.1:${port}/ready`);
  checkVolume(resolve(dirname(file), process.env.CONSILIUM_STATE || yaml.state), log);
}

/** The client itself says what is wrong with the file; one thing only Docker does is told here. */
function read(file, log) {
  try {
    if (statSync(file).isDirectory()) {
      const text = `${file} is a folder: Docker makes one when the file to be mounted does not exist`;
      log.error(`${text}; check the path before the colon of -v, and remove the folder it made there`);
      return undefined;
    }
    return parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function setUnlessGiven(inFile, variable, value) {
  if (inFile === undefined && (process.env[variable] ?? '') === '') process.env[variable] = value;
}

/** Without a volume the key goes with the container, and the site could not come back under its name. */
function checkVolume(state, log) {
  if (!existsSync('/proc/self/mountinfo')) return;
  const real = state.startsWith('/app/consilium-state')
    ? state.replace('/app/consilium-state', usualState)
    : state;
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4]);
  const covered = mounts.some((point) => point !== undefined && point !== '/' && isInside(real, point));
  if (covered) return;
  log.warn(
    { state: real },
    `no volume is mounted on ${real}: this site's key is lost with the container, and its name and join token with it. Add -v consilium:${usualState}`,
  );
}

function isInside(path, folder) {
  return path === folder || path.startsWith(`${folder}/`);
}
