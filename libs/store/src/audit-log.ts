import { LessThan, MoreThanOrEqual } from 'typeorm';
import type { Database } from './database.js';
import { auditEntity } from './schema.js';
import type { AuditRow, StoredAuditRow } from './schema.js';
import { StoreUnavailableError } from './store.js';
import type { AuditFilter, AuditLog, StoreLogger } from './store.js';

const flushAfterMs = 200;
const retryAfterMs = 1_000;
const batchSize = 500;
/** About 10 MB at most; what is beyond is counted as dropped, oldest first. */
const mostWaiting = 20_000;
const textLimit = 1_000;
/** Rows of a batch that are told one by one when they are refused; of the others one line tells the number. */
const mostTold = 3;

/** Writes audit rows behind the answers, in batches. */
export class BatchedAuditLog implements AuditLog {
  readonly #database: Database;
  readonly #logger: StoreLogger;
  #waiting: AuditRow[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #written = 0;
  #dropped = 0;

  constructor(database: Database, logger: StoreLogger) {
    this.#database = database;
    this.#logger = logger;
  }

  get stats(): { readonly auditWaiting: number; readonly auditWritten: number; readonly auditDropped: number } {
    return { auditWaiting: this.#waiting.length, auditWritten: this.#written, auditDropped: this.#dropped };
  }

  append(rows: readonly AuditRow[]): void {
    for (const row of rows) this.#waiting.push(row);
    const surplus = this.#waiting.length - mostWaiting;
    if (surplus > 0) {
      this.#waiting.splice(0, surplus);
      this.#dropped += surplus;
    }
    this.#schedule(flushAfterMs);
  }

  list(filter: AuditFilter = {}): Promise<readonly StoredAuditRow[]> {
    const { peer, since, limit = 100 } = filter;
    return this.#database.use((source) =>
      source.getRepository(auditEntity).find({
        where: {
          ...(peer === undefined ? {} : { peer }),
          ...(since === undefined ? {} : { at: MoreThanOrEqual(since) }),
        },
        order: { id: 'DESC' },
        take: limit,
      }),
    );
  }

  async flush(): Promise<void> {
    this.#writing = this.#writing.catch(() => undefined).then(() => this.#drain());
    await this.#writing;
  }

  /** Deletes rows older than a moment. */
  async forgetBefore(moment: Date): Promise<void> {
    await this.#database.use((source) => source.getRepository(auditEntity).delete({ at: LessThan(moment) }));
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #schedule(delay: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush().catch((error: unknown) => {
        if (error instanceof StoreUnavailableError) this.#schedule(retryAfterMs);
      });
    }, delay);
  }

  /** Writes all that waits; what the database refuses is given up and told, the rest goes on. */
  async #drain(): Promise<void> {
    let refused: unknown;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, batchSize);
      try {
        await this.#write(batch);
      } catch (error) {
        this.#keepIfAway(error, batch);
        refused = isAboutNoRow(error) ? this.#giveUp(batch, error) : ((await this.#writeEach(batch)) ?? refused);
      }
    }
    if (refused !== undefined) throw refused;
  }

  /** A batch is refused as a whole for one bad row: one by one, that one alone is lost. Returns what was the matter with the last bad one. */
  async #writeEach(rows: readonly AuditRow[]): Promise<unknown> {
    let refused: unknown;
    let lost = 0;
    for (const [index, row] of rows.entries()) {
      try {
        await this.#write([row]);
      } catch (error) {
        this.#keepIfAway(error, rows.slice(index));
        this.#dropped += 1;
        lost += 1;
        refused = error;
        const { at, peer, status } = row;
        const fields = { at, peer, status, reason: reasonOf(error) };
        if (lost <= mostTold) this.#logger.error(fields, 'an audit row was refused by the database and is lost');
      }
    }
    if (lost > mostTold) this.#tellLost(lost - mostTold, refused);
    return refused;
  }

  #giveUp(rows: readonly AuditRow[], error: unknown): unknown {
    this.#dropped += rows.length;
    this.#tellLost(rows.length, error);
    return error;
  }

  #tellLost(rows: number, error: unknown): void {
    this.#logger.error({ rows, reason: reasonOf(error) }, 'audit rows were refused by the database and are lost');
  }

  async #write(rows: readonly AuditRow[]): Promise<void> {
    await this.#database.use((source) => source.getRepository(auditEntity).insert(rows.map(bounded)));
    this.#written += rows.length;
  }

  /** Rows wait again, and the error is thrown on, when the database is away. */
  #keepIfAway(error: unknown, rows: readonly AuditRow[]): void {
    if (!(error instanceof StoreUnavailableError)) return;
    this.#waiting.unshift(...rows);
    throw error;
  }
}

/** SQLSTATE class 42, syntax or access rule: no row would be taken, as without the right to INSERT. */
function isAboutNoRow(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && code.startsWith('42');
}

/** The error itself holds whole rows. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** PostgreSQL refuses NUL in text, and nobody needs a megabyte of a peer's nonsense. */
function bounded(row: AuditRow): AuditRow {
  const clean = (text: string | undefined): string | undefined => text?.replaceAll('\0', '').slice(0, textLimit);
  return {
    ...row,
    peer: clean(row.peer),
    peerUUID: clean(row.peerUUID),
    action: clean(row.action) ?? '',
    detail: clean(row.detail),
    sourceAddress: clean(row.sourceAddress),
  };
}
