export * from './address-guard.js';
export * from './connection.js';
export * from './fetch-document.js';
export * from './outcome.js';
export * from './probe.js';
export * from './stream-documents.js';
