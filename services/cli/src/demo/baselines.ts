import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunnablePackage } from '@consilium/package-runner';
import { ConsiliumError } from '@consilium/protocol';
import { runEntry } from '../local/run-entry.js';

export interface Score {
  readonly accuracy: number;
  readonly auc: number;
}

/** Accuracy and AUC of a model on the common test set, by the package's own validate. */
export async function scoreOf(pack: RunnablePackage, weights: string, testFolder: string): Promise<Score> {
  return runEntry({ package: pack, entry: 'validate', weights, dataDir: testFolder }, async ({ metrics }) => {
    const { accuracy, auc } = metrics;
    if (accuracy === undefined || auc === undefined) {
      throw new ConsiliumError('CLI_CHECK_FAILED', 'validate reports no accuracy and auc.', {
        where: pack.name,
      });
    }
    return { accuracy, auc };
  });
}

/**
 * Trains on one folder alone, with the package's own train: as many epochs in one go as a site does in all
 * rounds, from the same seed model.
 */
export async function trainAlone(
  pack: RunnablePackage,
  job: { name: string; dataDir: string; seedModel: string; epochs: number; seed: number; out: string },
): Promise<{ weights: string; examples: number }> {
  const { dataDir, seedModel, epochs, seed, out, name } = job;
  const run = {
    package: pack,
    entry: 'train' as const,
    weights: seedModel,
    dataDir,
    seed,
    site: name,
    config: { local_epochs: epochs },
  };
  return runEntry(run, async ({ parts, numExamples }) => {
    await mkdir(out, { recursive: true });
    const weights = join(out, `${name}.npz`);
    await copyFile(parts.weights!, weights);
    return { weights, examples: numExamples ?? 0 };
  });
}

export async function makeSeedModel(pack: RunnablePackage, seed: number, out: string): Promise<string> {
  return runEntry({ package: pack, entry: 'init', seed }, async ({ parts }) => {
    await mkdir(out, { recursive: true });
    const weights = join(out, 'seed.npz');
    await copyFile(parts.weights!, weights);
    return weights;
  });
}
