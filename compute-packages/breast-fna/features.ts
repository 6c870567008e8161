// Ten measurements of the cell nuclei in an image; of each the mean over the nuclei, the standard error
// and the mean of the three largest values.
const measurements = [
  ...['radius', 'texture', 'perimeter', 'area', 'smoothness'],
  ...['compactness', 'concavity', 'concave_points', 'symmetry', 'fractal_dimension'],
];

/** Column names in the order of the data files. */
export const featureNames: readonly string[] = ['mean', 'error', 'worst'].flatMap((statistic) =>
  measurements.map((measurement) => `${measurement}_${statistic}`),
);
export const featureCount = 30;
export const labelName = 'malignant';

/**
 * Centre and spread of each feature, agreed between the sites before training and the same for all of
 * them: the published summary of the data set, rounded to one or two digits. Nothing is ever computed from
 * a site's rows, so scaling tells nobody anything about anybody's patients, and a model means the same
 * everywhere.
 */
const scales: readonly (readonly [centre: number, spread: number])[] = [
  ...pairs([14, 4], [19, 4], [92, 20], [650, 400], [0.096, 0.01]),
  ...pairs([0.1, 0.05], [0.089, 0.08], [0.049, 0.04], [0.18, 0.03], [0.063, 0.007]),
  ...pairs([0.41, 0.3], [1.2, 0.6], [2.9, 2], [40, 50], [0.007, 0.003]),
  ...pairs([0.025, 0.02], [0.032, 0.03], [0.012, 0.006], [0.021, 0.008], [0.0038, 0.003]),
  ...pairs([16, 5], [26, 6], [110, 30], [880, 600], [0.13, 0.02]),
  ...pairs([0.25, 0.2], [0.27, 0.2], [0.11, 0.07], [0.29, 0.06], [0.084, 0.02]),
];

function pairs(...values: [number, number][]): [number, number][] {
  return values;
}

/** Beyond this many spreads a value counts as that many: single absurd values must not move a model. */
const limit = 5;

/** A raw value of a feature as the network gets it. */
export function scaled(feature: number, value: number): number {
  const [centre, spread] = scales[feature] as readonly [number, number];
  return Math.max(-limit, Math.min(limit, (value - centre) / spread));
}
