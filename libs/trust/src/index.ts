export * from './certificate.js';
export * from './certificate-builder.js';
export * from './csr.js';
export * from './pem.js';
export * from './workload-ca.js';
