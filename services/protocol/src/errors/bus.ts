import { defineErrors, kinds } from './spec.js';

export const busErrors = defineErrors({
  BUS_UNAVAILABLE: kinds.unavailable(
    'The NATS server cannot be reached.',
    'Check the address, the network and the proxy settings; the service retries by itself.',
  ),
});
