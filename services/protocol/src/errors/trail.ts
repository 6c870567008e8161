import { defineErrors, kinds } from './spec.js';

export const trailErrors = defineErrors({
  TRAIL_NO_SESSION: kinds.notFound(
    'The trail has no such session.',
    'List the sessions with: consilium trail show',
  ),
  TRAIL_NO_MODEL: kinds.notFound(
    'There is no such model in the trail.',
    'List the models with: consilium model list',
  ),
  TRAIL_AMBIGUOUS: kinds.badInput('Several models begin with this id.', 'Give more digits of the id.'),
  TRAIL_BAD_HEADS: kinds.integrity(
    'heads/<session>.json is missing, was changed, or was not signed by the given key.',
    'Check the fingerprint given with --key; if it is right, the file was tampered with: restore the bucket from a backup.',
  ),
  TRAIL_MISSING_MANIFEST: kinds.integrity(
    'A manifest is missing from the trail.',
    'Restore the object from a backup; models after the gap cannot be vouched for.',
  ),
  TRAIL_BAD_MANIFEST: kinds.integrity(
    'A manifest was changed, is not readable, or was not signed by the given key.',
    'Check the fingerprint given with --key; if it is right, restore the object from a backup.',
  ),
  TRAIL_SWAPPED: kinds.integrity(
    'A manifest lies in the folder of another model.',
    'Somebody moved objects: restore the bucket from a backup.',
  ),
  TRAIL_BROKEN_CHAIN: kinds.integrity(
    'A manifest does not follow the one before it.',
    'Restore the missing or changed objects from a backup; do not trust models after the break.',
  ),
  TRAIL_BAD_WEIGHTS: kinds.integrity(
    'The weights of a model are missing or are not those that its manifest names.',
    'Restore weights.npz from a backup; do not use this model.',
  ),
  TRAIL_BAD_CLAIM: kinds.integrity(
    "A site's signed claim does not fit the contribution that names it.",
    'Do not trust this model: ask the site for its audit log of that round.',
  ),
  TRAIL_BAD_SUM: kinds.integrity(
    'The contributions of a model do not add up to what its manifest says.',
    'Do not trust this model.',
  ),
  TRAIL_BAD_UPDATE: kinds.integrity(
    'A kept update is missing or is not the one that its site signed.',
    'Restore the update from a backup; without it the model cannot be recomputed.',
  ),
  TRAIL_NOT_RECOMPUTED: kinds.integrity(
    'Recomputing the model from its recorded updates gives other bytes.',
    'Do not trust this model: its weights are not the aggregate of the updates it names.',
  ),
  TRAIL_BAD_PACKAGE: kinds.integrity(
    'A compute package is missing or is not the one that the manifest names.',
    'Restore the package from a backup or from its publisher.',
  ),
  TRAIL_BAD_BEST: kinds.integrity(
    'heads names a best model that the manifests do not bear out.',
    'Rebuild heads, or distrust the choice of the best model.',
  ),
});
