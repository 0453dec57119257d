import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Audit, peers' documents over time, used token ids. */
export class Initial1763600000000 implements MigrationInterface {
  readonly name = 'Initial1763600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE audit (
      id bigserial PRIMARY KEY,
      at timestamptz NOT NULL,
      peer text,
      peer_uuid text,
      action text NOT NULL,
      status integer NOT NULL,
      detail text,
      source_address text
    )`);
    await runner.query('CREATE INDEX audit_at ON audit (at)');
    await runner.query('CREATE INDEX audit_peer_at ON audit (peer, at)');
    await runner.query(`CREATE TABLE peer_document (
      id bigserial PRIMARY KEY,
      at timestamptz NOT NULL,
      peer text NOT NULL,
      peer_uuid text,
      kind text NOT NULL,
      seq text,
      digest text NOT NULL,
      body text NOT NULL
    )`);
    await runner.query('CREATE INDEX peer_document_latest ON peer_document (peer, kind, id DESC)');
    await runner.query(`CREATE TABLE used_token (
      sub text NOT NULL,
      jti text NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (sub, jti)
    )`);
    await runner.query('CREATE INDEX used_token_expiry ON used_token (expires_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE used_token');
    await runner.query('DROP TABLE peer_document');
    await runner.query('DROP TABLE audit');
  }
}
