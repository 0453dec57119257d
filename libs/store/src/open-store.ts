import { BatchedAuditLog } from './audit-log.js';
import { Database } from './database.js';
import { StoredDocumentHistory } from './document-history.js';
import { EmbeddedPostgres } from './embedded/supervisor.js';
import { StoredReplayRecord } from './replay-record.js';
import type { Store, StoreLogger } from './store.js';

const pruneEveryMs = 60_000;
const dayMs = 86_400_000;
/** Clocks of replicas may differ: a used token is remembered a little longer than it lives. */
const tokenGraceMs = 120_000;
const closeFlushMs = 2_000;

export interface StoreOptions {
  /** A PostgreSQL server; without it an embedded one is run in `dataDirectory`. */
  readonly databaseUrl?: string | undefined;
  readonly dataDirectory: string;
  readonly logger: StoreLogger;
  /** How long audit and documents are kept; default 90 days. */
  readonly keepDays?: number;
  readonly now?: () => number;
}

/** Opens the store without waiting for it: everything works, and says so, until `available()` is true. */
export function openStore(options: StoreOptions): Store {
  const { databaseUrl, dataDirectory, logger, keepDays = 90, now = Date.now } = options;
  const embedded = databaseUrl === undefined ? new EmbeddedPostgres(dataDirectory, logger) : undefined;
  embedded?.start();
  const url = embedded?.url ?? databaseUrl ?? '';
  const database = new Database(url, logger);
  const audit = new BatchedAuditLog(database, logger);
  const replay = new StoredReplayRecord(database);
  const documents = new StoredDocumentHistory(database);
  const prune = async (): Promise<void> => {
    const oldest = new Date(now() - keepDays * dayMs);
    await replay.forgetBefore(new Date(now() - tokenGraceMs));
    await audit.forgetBefore(oldest);
    await documents.forgetBefore(oldest);
  };
  const timer = setInterval(() => void prune().catch(() => undefined), pruneEveryMs);
  timer.unref();
  return {
    audit,
    replay,
    documents,
    url,
    ready: database.ready,
    available: () => database.available,
    reason: () => database.reason,
    stats: () => ({ ...audit.stats, failures: database.failures }),
    pid: () => embedded?.pid,
    close: async () => {
      clearInterval(timer);
      await Promise.race([audit.flush().catch(() => undefined), after(closeFlushMs)]);
      audit.stop();
      await database.close();
      await embedded?.stop();
    },
  };
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
