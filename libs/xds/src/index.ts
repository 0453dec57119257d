export type { Resource } from '#proto';
export * from './mesh-model.js';
export * from './proxy-node.js';
