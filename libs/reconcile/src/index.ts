export * from './backoff.js';
export * from './conditions.js';
export * from './reconciler.js';
export * from './result.js';
export * from './runner.js';
export * from './scheduler.js';
export * from './work-queue.js';
