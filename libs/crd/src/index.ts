export * from './admission-table.js';
export * from './conditions.js';
export { visibleNowhere } from './istio-federation.js';
export { crdFileName, crdManifest } from './manifest.js';
export * from './parse.js';
export * from './reasons.js';
export { durationMs, staleModes } from './stale-policy.js';
export type { StaleMode } from './stale-policy.js';
export * from './types.js';
