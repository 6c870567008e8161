import { CLIENT_JWT_TTL, httpDispatcher, isLoopback, proxyFor } from '@consilium/platform';
import {
  asConsiliumError,
  packageDetailSchema,
  packageViewSchema,
  uploadCreatedSchema,
} from '@consilium/protocol';
import { type Dispatcher, fetch } from 'undici';
import { z } from 'zod';
import { ApiClient } from '../core/api-client.js';
import { readInfo } from '../login/reducer-info.js';
import { type Check, fail, ok, warn } from './check.js';
import type { Subject } from './subject.js';

/** Signed requests are refused when the clocks are further apart than this, in milliseconds (`verifyRequest`). */
const skewLimit = 5 * 60_000;
const timeout = 10_000;

/** Everything that goes over the network to the reducer and its store. */
export async function checkNetwork(subject: Subject): Promise<Check[]> {
  const { url } = subject;
  if (url === undefined) {
    const fix =
      "Log in with: consilium login <url>, or give the site's file: consilium doctor -i client.yaml";
    return [warn('reducer', 'none is known here', fix)];
  }
  const { client } = subject;
  const settings = {
    ...(client?.proxy === undefined ? {} : { proxy: client.proxy }),
    ...(client?.no_proxy === undefined ? {} : { noProxy: client.no_proxy }),
  };
  const proxy = checkProxy(url, settings);
  if (proxy.status === 'fail') return [proxy];
  const dispatcher = httpDispatcher({
    ...settings,
    ...(client?.ca_file === undefined ? {} : { caFile: client.ca_file }),
  });
  try {
    const reducer = await checkReducer(subject, url, dispatcher);
    if (reducer.status === 'fail') return [proxy, reducer];
    const rest = await Promise.all([checkClock(url, dispatcher), checkStore(subject, url, dispatcher)]);
    return [proxy, reducer, ...rest, checkRevocation()];
  } finally {
    await dispatcher.close();
  }
}

function checkProxy(url: string, settings: { proxy?: string; noProxy?: string }): Check {
  try {
    const proxy = proxyFor(url, settings);
    if (proxy !== undefined) return ok('proxy', `${url} goes through ${proxy.host}`);
    return ok('proxy', `${url} is reached directly`);
  } catch (error) {
    const { detail, where } = asConsiliumError(error);
    return fail('proxy', `${where ?? 'proxy'}: ${detail}`, 'Correct it: http://host:port.');
  }
}

async function checkReducer(subject: Subject, url: string, dispatcher: Dispatcher): Promise<Check> {
  try {
    const info = await readInfo(new ApiClient({ url }, dispatcher));
    const { reducerKey } = subject;
    if (reducerKey !== undefined && reducerKey !== info.reducer_key) {
      const detail = `${url} has the key ${info.reducer_key}; trusted is ${reducerKey}`;
      return fail('reducer', detail, 'Do not connect before its operator has confirmed the new key.');
    }
    const open = url.startsWith('http:') && !isLoopback(new URL(url).hostname);
    const text = `${url}, version ${info.version}, key ${info.reducer_key}`;
    if (open) return warn('reducer', `${text}; without TLS, tokens can be read on the way`, 'Use https.');
    return ok('reducer', text);
  } catch (error) {
    const { detail, fix, code } = asConsiliumError(error);
    return fail('reducer', `${url}: ${code}: ${detail}`, fix);
  }
}

async function checkClock(url: string, dispatcher: Dispatcher): Promise<Check> {
  const before = Date.now();
  const response = await fetch(`${url}/api/v1/info`, { dispatcher, signal: AbortSignal.timeout(timeout) });
  await response.arrayBuffer();
  const date = response.headers.get('date');
  if (date === null)
    return warn('clock', 'the reducer does not say what time it is', 'Check that this machine uses NTP.');
  return clockCheck(Date.parse(date), before, Date.now());
}

/**
 * @param theirs the Date header: whole seconds, cut off, so up to a second too early
 * @param before when it was asked, and `after` when it had answered: milliseconds of this machine's clock
 */
export function clockCheck(theirs: number, before: number, after: number): Check {
  const ahead = Math.max(before - (theirs + 1000), 0);
  const behind = Math.max(theirs - after, 0);
  const off = Math.max(ahead, behind);
  if (off === 0) return ok('clock', "it agrees with the reducer's");
  const text = `this clock is ${(off / 1000).toFixed(0)} s ${ahead > 0 ? 'ahead of' : 'behind'} the reducer's`;
  const fix = 'Set the clock (NTP).';
  if (off >= skewLimit)
    return fail('clock', `${text}; signed requests are refused from ${skewLimit / 1000} s on`, fix);
  return off >= 30_000 ? warn('clock', text, fix) : ok('clock', text);
}

/** Reads one byte of a published package, or asks where an upload would go and knocks there; writes nothing. */
async function checkStore(subject: Subject, url: string, dispatcher: Dispatcher): Promise<Check> {
  if (subject.token === undefined) {
    const fix =
      'Log in to let doctor try it (consilium login); the client learns the address with its first task.';
    return warn('object store', 'its address is known only after a login', fix);
  }
  const api = new ApiClient({ url, token: subject.token }, dispatcher);
  try {
    const [first] = await api.get('/packages', z.array(packageViewSchema));
    if (first !== undefined) {
      const { archive_url } = await api.get(`/packages/${first.name}/${first.version}`, packageDetailSchema);
      return await readByte(archive_url, dispatcher);
    }
    const body = { digest: `sha256:${'0'.repeat(64)}`, size: 1 };
    const { upload } = await api.post('/uploads', body, uploadCreatedSchema);
    const target = upload?.kind === 'multipart' ? upload.parts[0]?.url : upload?.url;
    if (target === undefined)
      return warn('object store', 'it gave no address to try', 'Publish a package and try again.');
    return await knock(new URL(target).origin, dispatcher);
  } catch (error) {
    const { code, detail, fix } = asConsiliumError(error);
    return warn('object store', `it could not be tried: ${code}: ${detail}`, fix);
  }
}

async function readByte(signed: string, dispatcher: Dispatcher): Promise<Check> {
  const { origin } = new URL(signed);
  try {
    const headers = { range: 'bytes=0-0' };
    const response = await fetch(signed, { dispatcher, headers, signal: AbortSignal.timeout(timeout) });
    await response.body?.cancel();
    if (response.ok) return ok('object store', `${origin} gives what a signed URL names`);
    const fix =
      "Check the store's public endpoint in the reducer's configuration: a rewritten host or path breaks signatures.";
    return fail('object store', `${origin} answers a signed URL with HTTP ${response.status}`, fix);
  } catch (error) {
    return unreachable(origin, error);
  }
}

async function knock(origin: string, dispatcher: Dispatcher): Promise<Check> {
  try {
    const response = await fetch(origin, {
      method: 'HEAD',
      dispatcher,
      signal: AbortSignal.timeout(timeout),
    });
    return ok('object store', `${origin} answers (HTTP ${response.status} without a signature)`);
  } catch (error) {
    return unreachable(origin, error);
  }
}

function unreachable(origin: string, error: unknown): Check {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
  const fix = "Open the way to it, or correct the store's public endpoint in the reducer's configuration.";
  return fail('object store', `${origin} cannot be reached: ${cause}`, fix);
}

/** What a revocation does here: the reducer has no revoker yet, so NATS learns of it when the JWT runs out. */
function checkRevocation(): Check {
  const minutes = CLIENT_JWT_TTL / 60_000;
  return ok(
    'revocation',
    `by non-renewal: a client that is shut out is refused at once by reducer and combiners, and its NATS connection ends within ${minutes} minutes`,
  );
}
