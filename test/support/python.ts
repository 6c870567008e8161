import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'consilium');

/** The interpreter that `scripts/numpy-venv.sh` made. */
export const numpyPython = join(cache, 'py-numpy', 'bin', 'python');

/** False, or why a test that asks NumPy is skipped. */
export const skipNumpy: string | false = existsSync(numpyPython)
  ? false
  : 'needs Python with NumPy: scripts/numpy-venv.sh';

/** False, or why a test that looks with s3cmd is skipped. */
export const skipS3cmd: string | false = (() => {
  try {
    execFileSync('s3cmd', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'needs s3cmd';
  }
})();
