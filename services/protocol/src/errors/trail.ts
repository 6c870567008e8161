import { defineErrors, kinds } from './spec.js';

export const trailErrors = defineErrors({
  TRAIL_BROKEN_CHAIN: kinds.integrity(
    'The chain of manifests is broken.',
    'Restore the missing or changed objects from a backup; do not trust models after the break.',
  ),
});
