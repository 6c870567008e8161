export { trustedCertificates } from './certificates.js';
export { type HttpDispatcherOptions, httpDispatcher, httpFetch } from './http-dispatcher.js';
export { isLoopback, matchesNoProxy, type ProxySettings, proxyFor } from './proxy.js';
