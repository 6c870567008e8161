import { ConsiliumError } from '@consilium/protocol/errors';

function check(scores: ArrayLike<number>, labels: ArrayLike<number>): void {
  if (scores.length !== labels.length || scores.length === 0) {
    throw new ConsiliumError('SDK_BAD_METRIC_INPUT', `${scores.length} scores for ${labels.length} labels.`);
  }
  for (let i = 0; i < scores.length; i++) {
    const label = labels[i];
    if (label !== 0 && label !== 1) {
      throw new ConsiliumError('SDK_BAD_METRIC_INPUT', `Label ${i} is ${label}, not 0 or 1.`);
    }
    if (!Number.isFinite(scores[i])) {
      throw new ConsiliumError('SDK_BAD_METRIC_INPUT', `Score ${i} is ${scores[i]}.`);
    }
  }
}

/** Counts of a binary decision. */
export interface BinaryCounts {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly trueNegatives: number;
  readonly falseNegatives: number;
}

/** Counts for "score >= threshold means 1". Labels are 0 or 1. */
export function binaryCounts(
  scores: ArrayLike<number>,
  labels: ArrayLike<number>,
  threshold = 0.5,
): BinaryCounts {
  check(scores, labels);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < scores.length; i++) {
    const at = ((scores[i] as number) >= threshold ? 2 : 0) + (labels[i] as number);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  const [trueNegatives = 0, falseNegatives = 0, falsePositives = 0, truePositives = 0] = counts;
  return { truePositives, falsePositives, trueNegatives, falseNegatives };
}

/** Harmonic mean of precision and recall; 0 where nothing is positive and nothing was called so. */
export function f1Score({ truePositives, falsePositives, falseNegatives }: BinaryCounts): number {
  const denominator = 2 * truePositives + falsePositives + falseNegatives;
  return denominator === 0 ? 0 : (2 * truePositives) / denominator;
}

/**
 * Area under the ROC curve, exact: the chance that a positive scores above a negative, ties counted half
 * (Mann and Whitney 1947). `undefined` where only one class is there.
 */
export function rocAuc(scores: ArrayLike<number>, labels: ArrayLike<number>): number | undefined {
  check(scores, labels);
  const order = Array.from({ length: scores.length }, (_, i) => i).sort(
    (a, b) => (scores[a] as number) - (scores[b] as number),
  );
  let rankSum = 0;
  let positives = 0;
  for (let start = 0; start < order.length; ) {
    let end = start;
    const value = scores[order[start] as number];
    while (end < order.length && scores[order[end] as number] === value) end++;
    // Ranks start + 1 … end share their mean.
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) {
      if (labels[order[i] as number] === 1) {
        rankSum += rank;
        positives++;
      }
    }
    start = end;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return undefined;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** Keeps the logarithm finite, as Keras does. */
const epsilon = 1e-7;

/** Mean binary cross-entropy in nats; probabilities are kept 1e-7 away from 0 and 1. */
export function logLoss(probabilities: ArrayLike<number>, labels: ArrayLike<number>): number {
  check(probabilities, labels);
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) {
    const p = Math.min(1 - epsilon, Math.max(epsilon, probabilities[i] as number));
    sum -= labels[i] === 1 ? Math.log(p) : Math.log(1 - p);
  }
  return sum / probabilities.length;
}

/**
 * Loss, accuracy, F1 and, where both classes are there, AUC of probabilities for class 1. These average
 * over sites by their numbers of examples; AUC only roughly so.
 */
export function binaryReport(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
): Record<'loss' | 'accuracy' | 'f1', number> & { auc?: number } {
  const counts = binaryCounts(probabilities, labels);
  const auc = rocAuc(probabilities, labels);
  return {
    loss: logLoss(probabilities, labels),
    accuracy: (counts.truePositives + counts.trueNegatives) / probabilities.length,
    f1: f1Score(counts),
    ...(auc === undefined ? {} : { auc }),
  };
}

/** `matrix[label][predicted]`: how often. */
export function confusionMatrix(
  predicted: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  if (predicted.length !== labels.length) {
    throw new ConsiliumError(
      'SDK_BAD_METRIC_INPUT',
      `${predicted.length} predictions for ${labels.length} labels.`,
    );
  }
  for (let i = 0; i < labels.length; i++) {
    const row = matrix[labels[i] as number];
    const column = predicted[i] as number;
    if (row?.[column] === undefined) {
      throw new ConsiliumError(
        'SDK_BAD_METRIC_INPUT',
        `Example ${i} has label ${labels[i]} and prediction ${column}; there are ${classes} classes.`,
      );
    }
    row[column] = (row[column] as number) + 1;
  }
  return matrix;
}

/**
 * Loss (mean cross-entropy in nats), accuracy and macro F1 (over the classes that occur) of class
 * probabilities.
 *
 * @param probabilities row-major [examples, classes]
 * @param labels class numbers from 0
 */
export function classReport(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): Record<'loss' | 'accuracy' | 'f1', number> {
  const examples = labels.length;
  if (examples === 0 || probabilities.length !== examples * classes) {
    throw new ConsiliumError(
      'SDK_BAD_METRIC_INPUT',
      `${probabilities.length} probabilities for ${examples} labels of ${classes} classes.`,
    );
  }
  const predicted = argMaxRows(probabilities, classes);
  const matrix = confusionMatrix(predicted, labels, classes);
  let loss = 0;
  for (let i = 0; i < examples; i++) {
    loss -= Math.log(Math.max(epsilon, probabilities[i * classes + (labels[i] as number)] as number));
  }
  if (!Number.isFinite(loss)) throw new ConsiliumError('SDK_BAD_METRIC_INPUT', `The loss is ${loss}.`);
  const scores: number[] = [];
  let correct = 0;
  for (const [label, row] of matrix.entries()) {
    const truePositives = row[label] as number;
    correct += truePositives;
    const occurrences = row.reduce((sum, n) => sum + n, 0);
    if (occurrences === 0) continue;
    const called = matrix.reduce((sum, other) => sum + (other[label] as number), 0);
    scores.push((2 * truePositives) / (occurrences + called));
  }
  return {
    loss: loss / examples,
    accuracy: correct / examples,
    f1: scores.reduce((sum, score) => sum + score, 0) / scores.length,
  };
}

/** Index of the largest value of each row, the first of equals. */
export function argMaxRows(values: ArrayLike<number>, columns: number): Int32Array {
  const best = new Int32Array(values.length / columns);
  for (let row = 0; row < best.length; row++) {
    for (let column = 1; column < columns; column++) {
      const at = row * columns;
      if ((values[at + column] as number) > (values[at + (best[row] as number)] as number))
        best[row] = column;
    }
  }
  return best;
}
