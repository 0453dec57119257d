export type { Resource } from '#proto';
export * from './mesh-model.js';
export * from './proxy-node.js';
export * from './resource-names.js';
export * from './snapshot.js';
export * from './stream/index.js';
export { trustBundles } from './identity/trust-secret.js';
