import { DataSource } from 'typeorm';
import { migrations } from './migrations/index.js';
import { entities } from './schema.js';
import { StoreUnavailableError } from './store.js';
import type { StoreLogger } from './store.js';

const connectTimeoutMs = 2_000;
const queryTimeoutMs = 5_000;
const poolSize = 5;
const firstRetryMs = 25;
const retryCapMs = 2_000;
/** Any number, the same in every replica: only one of them migrates at a time. */
const migrationLock = 7_239_156_401;

/** One PostgreSQL by URL: connects by itself, migrates, and finds back after every failure. */
export class Database {
  readonly ready: Promise<void>;
  readonly #source: DataSource;
  readonly #logger: StoreLogger;
  #available = false;
  #reason: string | undefined = 'not connected yet';
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;
  #closed = false;
  #markReady: () => void = () => undefined;

  constructor(url: string, logger: StoreLogger) {
    this.#logger = logger;
    this.ready = new Promise((resolve) => (this.#markReady = resolve));
    this.#source = new DataSource({
      type: 'postgres',
      url,
      entities,
      migrations,
      migrationsTableName: 'isthmus_migration',
      synchronize: false,
      logging: false,
      applicationName: 'isthmus',
      connectTimeoutMS: connectTimeoutMs,
      poolSize,
      poolErrorHandler: (error: Error) => this.#lost(error),
      extra: { statement_timeout: queryTimeoutMs, query_timeout: queryTimeoutMs, keepAlive: true },
    });
    void this.#connect();
  }

  get available(): boolean {
    return this.#available;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  get failures(): number {
    return this.#failures;
  }

  /** Runs `work`; when the database is known to be away it fails at once instead of waiting for a timeout. */
  async use<T>(work: (source: DataSource) => Promise<T>): Promise<T> {
    if (!this.#available) throw new StoreUnavailableError(`store: ${this.#reason}`);
    try {
      return await work(this.#source);
    } catch (error) {
      if (isAboutTheQuery(error)) throw error;
      this.#lost(error);
      throw new StoreUnavailableError(`store: ${this.#reason}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#available = false;
    clearTimeout(this.#timer);
    if (this.#source.isInitialized) await this.#source.destroy().catch(() => undefined);
  }

  #lost(error: unknown): void {
    if (this.#closed) return;
    const wasAvailable = this.#available;
    this.#available = false;
    this.#failures += 1;
    this.#reason = describe(error);
    if (wasAvailable) this.#logger.warn({ reason: this.#reason }, 'store is not available: going on without it');
    this.#later();
  }

  #later(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#connect();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, retryCapMs);
  }

  async #connect(): Promise<void> {
    try {
      if (this.#source.isInitialized) await this.#source.query('SELECT 1');
      else await this.#initialise();
      this.#available = true;
      this.#reason = undefined;
      this.#retryMs = firstRetryMs;
      this.#logger.info({}, 'store is available');
      this.#markReady();
    } catch (error) {
      this.#reason = describe(error);
      this.#failures += 1;
      this.#later();
    }
  }

  async #initialise(): Promise<void> {
    await this.#source.initialize();
    try {
      await this.#migrate();
    } catch (error) {
      await this.#source.destroy().catch(() => undefined);
      throw error;
    }
  }

  async #migrate(): Promise<void> {
    const runner = this.#source.createQueryRunner();
    try {
      await runner.query('SELECT pg_advisory_lock($1)', [migrationLock]);
      await this.#source.runMigrations({ transaction: 'each' });
    } finally {
      await runner.query('SELECT pg_advisory_unlock($1)', [migrationLock]).catch(() => undefined);
      await runner.release();
    }
  }
}

/** SQLSTATE classes that say the statement was wrong, not the connection: 22 data, 23 constraint, 42 syntax or access rule. */
function isAboutTheQuery(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && /^(22|23|42)[0-9A-Z]{3}$/.test(code);
}

/** Error text without a connection string: pg puts none in, but a driver's advice might. */
function describe(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: unknown } | undefined)?.code;
  const text = message === '' && typeof code === 'string' ? code : message;
  return text.replace(/postgres(ql)?:\/\/\S+/g, 'postgres://***');
}
