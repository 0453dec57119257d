import { EntitySchema } from 'typeorm';

/** One answered or refused request of a peer. */
export interface AuditRow {
  readonly at: Date;
  /** `federation/<name>`, `multicluster/<name>`; undefined when nobody was identified. */
  readonly peer?: string | undefined;
  readonly peerUUID?: string | undefined;
  /** What was asked for, for instance `GET /metadata/private/federation.json`. */
  readonly action: string;
  /** HTTP status of the answer. */
  readonly status: number;
  /** Reason of a refusal or what was served (`seq=…`); no secrets. */
  readonly detail?: string | undefined;
  readonly sourceAddress?: string | undefined;
}

export interface StoredAuditRow extends AuditRow {
  readonly id: string;
}

/** One document that a peer showed: kept when its content differs from the one before. */
export interface DocumentRow {
  readonly at: Date;
  readonly peer: string;
  readonly peerUUID?: string | undefined;
  readonly kind: 'public' | 'federation' | 'multicluster';
  /** Sequence number of signed documents, as text: it may exceed 2^53. */
  readonly seq?: string | undefined;
  /** SHA-256 of the content without what is refreshed (`iat`, `exp`), hexadecimal. */
  readonly digest: string;
  readonly body: string;
}

export interface StoredDocumentRow extends DocumentRow {
  readonly id: string;
}

export interface UsedTokenRow {
  readonly sub: string;
  readonly jti: string;
  readonly expiresAt: Date;
}

const id = { type: 'bigint', primary: true, generated: 'increment' } as const;
const text = { type: 'text' } as const;
const textOrNull = { type: 'text', nullable: true } as const;

export const auditEntity = new EntitySchema<StoredAuditRow>({
  name: 'audit',
  tableName: 'audit',
  columns: {
    id,
    at: { type: 'timestamptz' },
    peer: textOrNull,
    peerUUID: { ...textOrNull, name: 'peer_uuid' },
    action: text,
    status: { type: 'int' },
    detail: textOrNull,
    sourceAddress: { ...textOrNull, name: 'source_address' },
  },
});

export const documentEntity = new EntitySchema<StoredDocumentRow>({
  name: 'document',
  tableName: 'peer_document',
  columns: {
    id,
    at: { type: 'timestamptz' },
    peer: text,
    peerUUID: { ...textOrNull, name: 'peer_uuid' },
    kind: { type: 'text' },
    seq: textOrNull,
    digest: text,
    body: text,
  },
});

export const usedTokenEntity = new EntitySchema<UsedTokenRow>({
  name: 'usedToken',
  tableName: 'used_token',
  columns: {
    sub: { ...text, primary: true },
    jti: { ...text, primary: true },
    expiresAt: { type: 'timestamptz', name: 'expires_at' },
  },
});

export const entities = [auditEntity, documentEntity, usedTokenEntity];
