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
  AGG_NOT_CANONICAL: kinds.badInput(
    'The npz file is readable, but not written in the one form that updates must have.',
    'Write it stored, in C order, with the parameters in the order of the base model; the sdk does.',
  ),
  AGG_NOT_FINITE: kinds.badInput(
    'A weight is NaN or infinite.',
    'Check the training for divergence; the update does not count.',
  ),
  AGG_NORM: kinds.badInput(
    'The update moves the model further than the session allows.',
    'Check the training for divergence, or raise the norm bound of the session.',
  ),
  AGG_NO_WEIGHT: kinds.badInput(
    'The total weight of the aggregate is zero.',
    'At least one contribution needs a positive number of examples.',
  ),
  AGG_BAD_WEIGHT: kinds.badInput(
    'A weight is not a positive whole number in the accepted range.',
    'Give the number of training examples.',
  ),
  AGG_TOO_MANY: kinds.badInput(
    'There are more contributions than can be added exactly.',
    'Sample fewer clients a round.',
  ),
  AGG_TOO_LARGE: kinds.tooLarge(
    'The update is larger than its base model can make it.',
    'Send the parameters of the base model and nothing else.',
  ),
  AGG_BAD_PARTIAL: kinds.integrity(
    'A partial aggregate is damaged or was made by an incompatible version.',
    'Run the same version on all combiners and the reducer; the partial is made again when the round is retried.',
  ),
  AGG_MEMORY: kinds.badInput(
    'The memory bound is too small to aggregate within it.',
    'Raise the memory bound of the aggregation; 96 MiB suffice for models and rounds of any size.',
  ),
  AGG_UNKNOWN_STRATEGY: kinds.badInput(
    'There is no such aggregation strategy.',
    'Use one of the strategies that the message lists.',
  ),
});
