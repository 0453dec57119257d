import type { AuditRow, DocumentRow, StoredAuditRow, StoredDocumentRow } from './schema.js';

/** What this lib asks of a logger; a pino logger fits. */
export interface StoreLogger {
  readonly debug: (fields: object, message: string) => void;
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
}

/** The database did not answer in time or at all. Callers go on without it and say so. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

export interface AuditFilter {
  readonly peer?: string;
  readonly since?: Date;
  readonly limit?: number;
}

export interface AuditLog {
  /** Takes rows and returns at once; they are written in batches, kept (up to a bound) while the database is away. */
  append(rows: readonly AuditRow[]): void;
  /** Newest first. */
  list(filter?: AuditFilter): Promise<readonly StoredAuditRow[]>;
  /** Waits until everything appended so far is written; rejects when it cannot be. */
  flush(): Promise<void>;
}

export interface ReplayRecord {
  /** True the first time a (sub, jti) is seen, by whichever replica; throws `StoreUnavailableError`. `expiresAt` in Unix seconds. */
  accept(sub: string, jti: string, expiresAt: number): Promise<boolean>;
}

export interface DocumentHistory {
  /** Keeps a document unless the peer's latest of that kind has the same digest; says whether it was kept. */
  record(row: DocumentRow): Promise<boolean>;
  /** Newest first. */
  list(peer: string, kind: DocumentRow['kind'], limit?: number): Promise<readonly StoredDocumentRow[]>;
}

export interface StoreStats {
  readonly auditWaiting: number;
  readonly auditWritten: number;
  readonly auditDropped: number;
  readonly failures: number;
}

/** History and audit. Nothing here is needed to serve or to reconcile. */
export interface Store {
  readonly audit: AuditLog;
  readonly replay: ReplayRecord;
  readonly documents: DocumentHistory;
  /** Whether the last contact with the database succeeded. */
  available(): boolean;
  /** Why it is not available. */
  reason(): string | undefined;
  stats(): StoreStats;
  /** Resolves when the database answers for the first time. */
  readonly ready: Promise<void>;
  /** Pid of the embedded postmaster, if there is one. */
  pid(): number | undefined;
  /** Connection URL, password included: not for logs. */
  readonly url: string;
  /** Writes what waits (within two seconds), closes, and ends the embedded PostgreSQL. */
  close(): Promise<void>;
}
