export * from './builders.js';
export * from './expect-conditions.js';
export * from './hand-scheduler.js';
