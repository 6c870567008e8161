import { execFileSync } from 'node:child_process';

/**
 * A network of its own in which nothing can be reached but this machine, at `host`. There is no route to
 * anywhere else, and loopback inside is another one than outside.
 */
export interface Namespace {
  /** Address of this machine as seen from inside. */
  readonly host: string;
  /** Command line under which a program runs inside. */
  readonly under: readonly string[];
  remove(): void;
}

const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' });

/** False, or why tests of what a namespace keeps out of reach are skipped. */
export const skipNamespace: string | false = (() => {
  const name = `csprobe${process.pid}`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return false;
  } catch {
    return 'needs ip (iproute2) and the right to make network namespaces';
  }
})();

/** A namespace, or this machine's own network where none can be made: then `skipNamespace` says why. */
export function makeNamespace(): Namespace {
  if (skipNamespace !== false) return { host: '127.0.0.1', under: [], remove: () => undefined };
  const name = `cs${process.pid}`;
  const [outside, inside] = [`${name}o`, `${name}i`];
  // A /30 of TEST-NET-2 by process id, so that two runs at a time do not share one.
  const net = (process.pid % 62) * 4;
  const host = `198.51.100.${net + 1}`;
  const remove = (): void => {
    try {
      ip('netns', 'del', name);
    } catch {
      // not made yet; its end of the pair goes with it
    }
  };
  remove();
  try {
    ip('netns', 'add', name);
    ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name);
    ip('addr', 'add', `${host}/30`, 'dev', outside);
    ip('link', 'set', outside, 'up');
    ip('-n', name, 'addr', 'add', `198.51.100.${net + 2}/30`, 'dev', inside);
    ip('-n', name, 'link', 'set', inside, 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
  } catch (error) {
    remove();
    throw error;
  }
  return { host, under: ['ip', 'netns', 'exec', name], remove };
}
