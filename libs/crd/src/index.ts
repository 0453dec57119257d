export * from './conditions.js';
export * from './reasons.js';
