export type { Resource } from '#proto';
export { danglingReferences, decoded } from './consistency.js';
export { trustBundles } from './identity/trust-secret.js';
export * from './mesh-model.js';
export { nameTableFor } from './name-table.js';
export * from './proxy-node.js';
export { inboundCluster, names as xdsNames, outboundCluster, ports as proxyPorts, sniName } from './resource-names.js';
export * from './snapshot.js';
export * from './stream/index.js';
