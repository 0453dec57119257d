export * from './addresses.js';
export * from './gateway-wish.js';
export { isAddress } from './gateways.js';
export type { Decoded, Fault } from './fault.js';
export * from './limits.js';
export * from './private-documents.js';
export * from './public-document.js';
export * from './sse.js';
