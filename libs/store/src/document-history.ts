import { LessThan } from 'typeorm';
import type { Database } from './database.js';
import { documentEntity } from './schema.js';
import type { DocumentRow, StoredDocumentRow } from './schema.js';
import type { DocumentHistory } from './store.js';

/** What each peer said and when: one row for every change of content. */
export class StoredDocumentHistory implements DocumentHistory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async record(row: DocumentRow): Promise<boolean> {
    const { at, peer, peerUUID = null, kind, seq = null, digest, body } = row;
    const inserted: unknown[] = await this.#database.use((source) =>
      source.query(
        `INSERT INTO peer_document (at, peer, peer_uuid, kind, seq, digest, body)
         SELECT $1::timestamptz, $2, $3, $4, $5, $6, $7
         WHERE $6::text IS DISTINCT FROM (SELECT digest FROM peer_document WHERE peer = $2 AND kind = $4 ORDER BY id DESC LIMIT 1)
         RETURNING id`,
        [at, peer, peerUUID, kind, seq, digest, body],
      ),
    );
    return inserted.length === 1;
  }

  list(peer: string, kind: DocumentRow['kind'], limit = 50): Promise<readonly StoredDocumentRow[]> {
    return this.#database.use((source) =>
      source.getRepository(documentEntity).find({ where: { peer, kind }, order: { id: 'DESC' }, take: limit }),
    );
  }

  async forgetBefore(moment: Date): Promise<void> {
    await this.#database.use((source) => source.getRepository(documentEntity).delete({ at: LessThan(moment) }));
  }
}
