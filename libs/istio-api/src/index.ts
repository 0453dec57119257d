export * from './core.js';
export * from './networking.js';
export * from './object.js';
export * from './peer-authentication.js';
export * from './pod.js';
export * from './protocol.js';
export * from './security.js';
export * from './selector.js';
