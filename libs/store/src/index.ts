export * from './open-store.js';
export { StoreUnavailableError } from './store.js';
export type { AuditFilter, AuditLog, DocumentHistory, ReplayRecord, Store, StoreLogger, StoreStats } from './store.js';
export type { AuditRow, DocumentRow, StoredAuditRow, StoredDocumentRow, UsedTokenRow } from './schema.js';
