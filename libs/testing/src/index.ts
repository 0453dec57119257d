export * from './builders.js';
export * from './comes-true.js';
export * from './expect-conditions.js';
export * from './fuzz.js';
export * from './hand-scheduler.js';
export * from './server-certificate.js';
