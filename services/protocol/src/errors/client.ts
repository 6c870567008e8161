import { defineErrors, kinds } from './spec.js';

export const clientErrors = defineErrors({
  CLIENT_BAD_CONFIG: kinds.badInput(
    'client.yaml is not valid.',
    'Correct the named field; see docs/reference/client-yaml.md.',
  ),
});
