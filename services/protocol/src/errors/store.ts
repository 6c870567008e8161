import { defineErrors, kinds } from './spec.js';

export const storeErrors = defineErrors({
  STORE_NOT_FOUND: kinds.notFound(
    'The object does not exist.',
    'Check the bucket and key; a retention rule may have removed it.',
  ),
});
