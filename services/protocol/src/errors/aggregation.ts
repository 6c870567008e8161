import { defineErrors, kinds } from './spec.js';

export const aggregationErrors = defineErrors({
  AGG_OUT_OF_RANGE: kinds.badInput(
    'A weighted value lies outside the range that can be summed exactly.',
    'Check the update for diverged weights; lower the learning rate or clip gradients.',
  ),
  AGG_MISMATCH: kinds.badInput(
    'The models to aggregate do not have the same names, shapes or dtypes.',
    'Use files that come from the same model.',
  ),
  AGG_NOT_FINITE: kinds.badInput(
    'A weight is NaN or infinite.',
    'Check the training for divergence; the update does not count.',
  ),
  AGG_NO_WEIGHT: kinds.badInput(
    'The total weight of the aggregate is zero.',
    'At least one contribution needs a positive number of examples.',
  ),
  AGG_BAD_WEIGHT: kinds.badInput(
    'A weight is not a positive whole number in the accepted range.',
    'Give the number of training examples.',
  ),
});
