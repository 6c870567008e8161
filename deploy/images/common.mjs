// What the entry points of the images share.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const healthFile = join(tmpdir(), 'consilium-health');

/** Leaves the readiness address for health.mjs. */
export function rememberHealth(url) {
  try {
    writeFileSync(healthFile, `${url}\n`);
  } catch (error) {
    // The service itself does not need it, and says what it cannot write.
    say(`the health check will fail: ${error.message}; mount a tmpfs on ${tmpdir()}`);
  }
}

/** Runs a program of the product in this very process, as if it had been called with these words. */
export async function become(module, words) {
  process.argv = [process.argv[0], module, ...words];
  await import(module);
}

export function say(text) {
  process.stderr.write(`${text}\n`);
}

/** Ends the way the programs themselves do: one line, and what to do. */
export function stopWith(text, code = 2) {
  say(text);
  process.exit(code);
}
