import { defineErrors, kinds } from './spec.js';

export const packageErrors = defineErrors({
  PKG_BAD_YAML: kinds.badInput(
    'package.yaml is not valid.',
    'Correct the named field; see docs/reference/package-yaml.md.',
  ),
});
