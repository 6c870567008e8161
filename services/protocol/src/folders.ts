import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where Consilium keeps what can be fetched or built again: `$XDG_CACHE_HOME/consilium`, or `~/.cache/consilium`. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'consilium');
}

/**
 * Where `scripts/native.sh` puts tfjs backends: `CONSILIUM_NATIVE`, or `native` in the cache. The sdk looks there,
 * and who runs a task tells it the folder, since a task has a home folder of its own.
 */
export function nativeFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.CONSILIUM_NATIVE || join(cacheFolder(env), 'native');
}
