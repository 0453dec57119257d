export * from './health.js';
export * from './health.module.js';
export * from './logger.js';
export * from './metrics.js';
export * from './secret.js';
export * from './shutdown.js';
export * from './variables.js';
