import { defineErrors, kinds } from './spec.js';

export const npzErrors = defineErrors({
  NPZ_NOT_ZIP: kinds.badInput(
    'The file is not an npz (zip) archive.',
    'Write it with numpy.savez or with Consilium.',
  ),
});
