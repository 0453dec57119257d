import { LessThan } from 'typeorm';
import type { Database } from './database.js';
import { usedTokenEntity } from './schema.js';
import type { ReplayRecord } from './store.js';

/** Used token ids of all replicas: the primary key decides who came first. */
export class StoredReplayRecord implements ReplayRecord {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async accept(sub: string, jti: string, expiresAt: number): Promise<boolean> {
    const inserted: unknown[] = await this.#database.use((source) =>
      source.query(
        'INSERT INTO used_token (sub, jti, expires_at) VALUES ($1, $2, to_timestamp($3)) ON CONFLICT DO NOTHING RETURNING jti',
        [sub, jti, expiresAt],
      ),
    );
    return inserted.length === 1;
  }

  /** Forgets tokens that expired before a moment: they are refused for their age. */
  async forgetBefore(moment: Date): Promise<void> {
    await this.#database.use((source) => source.getRepository(usedTokenEntity).delete({ expiresAt: LessThan(moment) }));
  }
}
