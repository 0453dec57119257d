export * from './cluster.js';
export * from './fields.js';
export * from './names.js';
export * from './peer.js';
export * from './service.js';
export * from './trust.js';
export * from './way-out.js';
