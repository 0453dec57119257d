// Generated messages are imported from `#proto-gen/<path without extension>`; this file holds what stands around them.
export * from './codec.js';
export * from './discovery.js';
export * from './type-urls.js';
