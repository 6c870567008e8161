export type {
  Bus,
  BusMessage,
  BusState,
  BusStatus,
  BusSubscription,
  RequestOptions,
  SubscribeOptions,
} from './types.js';
