export * from './addresses.js';
export type { Decoded, Fault } from './fault.js';
export * from './limits.js';
export * from './sse.js';
