// Asks the readiness address that the entry point of this container left behind. Exit code 0 or 1.
import { readFileSync } from 'node:fs';
import { healthFile } from './common.mjs';

try {
  const url = readFileSync(healthFile, 'utf8').trim();
  const answer = await fetch(url, { signal: AbortSignal.timeout(4000) });
  console.log(`${answer.status} ${(await answer.text()).trim()}`);
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.log(error.cause?.message ?? error.message);
  process.exitCode = 1;
}
