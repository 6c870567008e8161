/** Version of this product; every service and client of one release carries the same. */
export const productVersion = '0.1.0';

/** Version of the messages between client and services; raised when an older peer could not follow. */
export const protocolVersion = 1;

/** The oldest protocol version a reducer still serves (its own and the previous one). */
export const oldestProtocolVersion = 1;
