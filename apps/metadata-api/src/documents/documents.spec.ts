import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import type { Secret } from '#istio-api';
import { annotations, documentSecretName } from '#model';
import type { TrustedPeer } from '#model';
import { PrivateDocuments } from './private-documents.js';
import { isKnownTo, servedDocument } from './served-document.js';

const peer = { kind: 'IstioFederation', name: 'b', clusterUUID: 'u-b' } as TrustedPeer;

/** The Secrets of one document, as the leader writes them. */
function written(text: string, seq: string, shards = 1, peerUUID = 'u-b'): Secret[] {
  const packed = gzipSync(Buffer.from(text));
  const size = Math.ceil(packed.length / shards);
  return Array.from({ length: shards }, (_unused, shard) => ({
    metadata: {
      name: documentSecretName(peer, shard),
      resourceVersion: `${seq}.${shard}`,
      annotations: {
        [annotations.peerUUID]: peerUUID,
        [annotations.sequence]: seq,
        [annotations.shards]: String(shards),
      },
    },
    data: { 'document.gz': packed.subarray(shard * size, (shard + 1) * size).toString('base64') },
  }));
}

describe('PrivateDocuments', () => {
  const secrets = new Map<string, Secret>();
  const put = (list: readonly Secret[]): void =>
    list.forEach((secret) => secrets.set(secret.metadata?.name ?? '', secret));
  const documents = (): PrivateDocuments => new PrivateDocuments((name) => secrets.get(name));
  const text = (from: PrivateDocuments, who = peer): string | undefined => from.documentFor(who)?.body.toString();

  it('gives the exact bytes, the sequence, and the same object while nothing changes', () => {
    put(written('{"a":1}', '5'));
    const one = documents();
    expect(one.documentFor(peer)).toMatchObject({ seq: '5', body: Buffer.from('{"a":1}') });
    expect(one.documentFor(peer)).toBe(one.documentFor(peer));
  });

  it('serves the last whole document while shards do not fit together', () => {
    secrets.clear();
    const one = documents();
    put(written('old '.repeat(50), '1', 3));
    expect(text(one)).toContain('old');
    const next = written(Array.from({ length: 200 }, (_unused, i) => `new${i}`).join(), '2', 3);
    put(next.slice(0, 1));
    expect(text(one)).toContain('old');
    put(next.slice(1));
    expect(text(one)).toContain('new199');
  });

  it.each([
    [3, 3],
    [3, 2],
    [2, 3],
    [1, 3],
    [3, 1],
  ])('never serves half of a document: %i shards become %i, one after another', (before, after) => {
    const [old, fresh] = ['old '.repeat(50), Array.from({ length: 200 }, (_unused, i) => `new${i}`).join()];
    const next = written(fresh, '2', after);
    for (let wrote = 0; wrote <= after; wrote += 1) {
      secrets.clear();
      const one = documents();
      put(written(old, '1', before));
      expect(text(one)).toBe(old);
      put(next.slice(0, wrote));
      expect(text(one)).toBe(wrote === after ? fresh : old);
      // A door that starts just then has no last whole one: it shows nothing rather than half.
      expect([wrote === 0 ? old : undefined, wrote === after ? fresh : undefined]).toContain(text(documents()));
    }
  });

  it('shows nothing that was made for another UUID', () => {
    secrets.clear();
    put(written('{}', '1', 1, 'u-former'));
    expect(text(documents())).toBeUndefined();
  });

  it('shows nothing once the document is gone', () => {
    const one = documents();
    put(written('{}', '1'));
    expect(text(one)).toBe('{}');
    secrets.clear();
    expect(text(one)).toBeUndefined();
  });

  it.each(['0', '-1', '1.5', 'x', '1000'])('does not follow a shard count of %s', (count) => {
    secrets.clear();
    const [secret] = written('{}', '1');
    put([
      {
        ...secret,
        metadata: {
          ...secret?.metadata,
          annotations: { ...secret?.metadata?.annotations, [annotations.shards]: count },
        },
      },
    ]);
    expect(text(documents())).toBeUndefined();
  });

  it('survives bytes that are no gzip', () => {
    secrets.clear();
    put(written('{}', '1').map((secret) => ({ ...secret, data: { 'document.gz': 'AAAA' } })));
    expect(text(documents())).toBeUndefined();
  });
});

describe('entity tags', () => {
  const { etag } = servedDocument(Buffer.from('x'), '1');
  it('depend on the bytes alone', () => {
    expect(servedDocument(Buffer.from('x'), '2').etag).toBe(etag);
    expect(servedDocument(Buffer.from('y'), '1').etag).not.toBe(etag);
  });
  it.each([
    [undefined, false],
    ['', false],
    ['*', true],
    [etag, true],
    [`W/${etag}`, true],
    [`"a", ${etag}`, true],
    [etag.slice(1, -1), false],
    ['"a"', false],
  ])('If-None-Match: %s', (header, expected) => expect(isKnownTo(header, etag)).toBe(expected));
});
