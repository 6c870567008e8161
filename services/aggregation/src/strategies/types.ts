/**
 * How the updates of a round become the next global model.
 *
 * `summable`: the model is a function of Σ w·x and Σ w, so combiners send partial sums and the reducer adds them.
 * `whole`: it needs every update at once (medians, Krum: a median of medians is another number), so one elected
 * combiner reads them all.
 */
export interface Strategy {
  /** Name in `session.yaml`. */
  readonly name: string;
  readonly kind: 'summable' | 'whole';
  /** Parameters as they are used, recorded in the manifest. */
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Weight of one contribution in the sum: a whole number from 1 to 2^31. */
  weightOf(contribution: { readonly examples: number }): number;
}

/** Makes a strategy from the parameters of a session; throws BAD_REQUEST where they do not fit. */
export type StrategyFactory = (parameters: Readonly<Record<string, unknown>>) => Strategy;
