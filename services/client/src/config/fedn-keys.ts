import { fednClientKeys } from '@consilium/protocol';
import type { Layers } from './layers.js';
import { keysAt } from './schema-fields.js';

const ADDRESS_KEYS = ['discover_host', 'discover_port', 'api_url', 'api_port'] as const;

/**
 * Turns what a FEDn client.yaml says into our keys and removes the rest.
 * @returns one notice for each key that was translated or is ignored; nothing goes silently.
 */
export function applyFednKeys(layers: Layers): string[] {
  const notices = applyAddress(layers);
  const own = new Set(keysAt([]));
  for (const [key, rule] of Object.entries(fednClientKeys)) {
    if (!Object.hasOwn(layers.values, key) || own.has(key)) continue;
    const why = 'ignored' in rule ? `is ignored: ${rule.ignored}` : `is read as ${rule.to}`;
    notices.push(`${layers.where([key])}: the FEDn key ${key} ${why}.`);
    layers.remove([key]);
  }
  return notices;
}

function applyAddress(layers: Layers): string[] {
  const { values } = layers;
  const [key] = ADDRESS_KEYS.filter((name) => Object.hasOwn(values, name) && values[name] !== null);
  if (key === undefined) return [];
  const where = layers.where([key]);
  const drop = (): void => {
    for (const name of ADDRESS_KEYS) layers.remove([name]);
  };
  if (typeof values.url === 'string') {
    drop();
    return [`${where}: the FEDn key ${key} is ignored: url says where the reducer is.`];
  }
  const host = values.discover_host ?? values.api_url;
  const port = values.discover_port ?? values.api_port;
  if (typeof host !== 'string' || host === '') return [];
  const url = addressOf(host, port);
  layers.set(['url'], url, where);
  drop();
  return [`${where}: the FEDn key ${key} is read as url: ${url}`];
}

/** FEDn clients speak TLS unless a port other than 443 is named. */
function addressOf(host: string, port: unknown): string {
  const number = port === undefined || port === null ? '' : String(port);
  const secure = number === '' || number === '443';
  const text = /^https?:\/\//i.test(host) ? host : `${secure ? 'https' : 'http'}://${host}`;
  // A text that is no URL is left as it is: the check of `url` says so with the line it stands in.
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.port === '' && /^\d+$/.test(number)) url.port = number;
  return url.href.replace(/\/$/, '');
}
