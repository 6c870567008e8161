import { defineErrors, kinds } from './spec.js';

export const sdkErrors = defineErrors({
  SDK_NO_TASK: kinds.badInput(
    'There is no task to run.',
    'Start the program through `consilium package run` or a client; both set CONSILIUM_TASK.',
  ),
  SDK_BAD_TASK: kinds.badInput(
    'The task file is not one this sdk understands.',
    'Use an sdk and a package runner of the same version; see docs/reference/compute-package.md.',
  ),
  SDK_BACKEND_UNKNOWN: kinds.badInput(
    'There is no backend of that name.',
    'Use tfjs-node-gpu, webgpu, tfjs-node, wasm or cpu; or none, optional, required as accelerator.',
  ),
  SDK_BACKEND_UNAVAILABLE: kinds.unavailable(
    'The backend that was asked for cannot be used on this machine.',
    'Install it (`make native`), or ask for another.',
  ),
  SDK_NO_OUTPUT: kinds.badInput(
    'The package produced a result that this task has no place for, or none where one is due.',
    'Send weights from init and train, metrics from validate, predictions from predict.',
  ),
  SDK_WEIGHTS_MISMATCH: kinds.badInput(
    'The weights do not fit the model.',
    'Build the same model at every site and in every version; the names, shapes and dtypes must agree.',
  ),
  SDK_BAD_NUM_EXAMPLES: kinds.badInput(
    'The number of examples is not a positive whole number.',
    'Pass the number of rows or images that were trained or validated on.',
  ),
  SDK_DATA_MISSING: kinds.notFound(
    'The data are not where the package looks for them.',
    'Check the data folder given to the client against what the README of the package asks for.',
  ),
  SDK_BAD_CSV: kinds.badInput('The CSV file is damaged.', 'Correct the named line.'),
  SDK_NOT_FINITE: kinds.badInput(
    'The result holds numbers that are not finite.',
    'Lower the learning rate, clip gradients, or check the data for absurd values.',
  ),
  SDK_BAD_METRIC_INPUT: kinds.badInput(
    'The metric cannot be computed from these values.',
    'Pass as many finite scores as labels, and labels within the classes.',
  ),
});
