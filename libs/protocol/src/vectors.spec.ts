// Test vectors of docs/protocol.md: whole documents and a stream. `GOLDEN_UPDATE=1` writes them; signatures come from libs/trust.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import {
  decodeFederationDocument,
  decodeMulticlusterDocument,
  decodePublicDocument,
  encodeFederationDocument,
  encodeMulticlusterDocument,
  encodePublicDocument,
  EventStreamParser,
  federationContent,
  formatEvent,
  heartbeat,
} from './index.js';

const folder = join(process.cwd(), 'docs', 'protocol-vectors');

function stored<T>(name: string): T {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;
}

function text(name: string, made: string): string {
  const file = join(folder, 'testdata', name);
  if (process.env['GOLDEN_UPDATE'] === '1') writeFileSync(file, made);
  return readFileSync(file, 'utf8');
}

const signed = stored<{ public: string; federation: string; multicluster: string; now: number }>('signed.json');
const [key] = stored<readonly { publicPem: string }[]>('keys.json');
const { root } = stored<{ root: string }>('certificates.json');
const payload = (jws: string): unknown => JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString());
const clusterUUID = (payload(signed.public) as { clusterUUID: string }).clusterUUID;

describe('documents as they stand in the vectors', () => {
  it('public.json', () => {
    const document = { clusterUUID, authnKeyPub: key?.publicPem ?? '', rootCA: root, signed: signed.public };
    const kept = text('public.json', encodePublicDocument(document));
    expect(kept).toBe(encodePublicDocument(document));
    expect(decodePublicDocument(kept)).toEqual({ ok: true, value: document });
  });

  it('federation.json: the plain half and the signed one say the same', () => {
    const content = federationContent(payload(signed.federation));
    if (!content.ok) throw new Error(JSON.stringify(content.faults));
    const made = encodeFederationDocument({ ...content.value, signed: signed.federation });
    const kept = text('federation.json', made);
    expect(kept).toBe(made);
    expect(decodeFederationDocument(kept)).toEqual({
      ok: true,
      value: { ...content.value, signed: signed.federation },
    });
  });

  it('multicluster.json', () => {
    const decoded = decodeMulticlusterDocument(JSON.stringify(payload(signed.multicluster)));
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.faults));
    const made = encodeMulticlusterDocument({ ...decoded.value, signed: signed.multicluster });
    expect(text('multicluster.json', made)).toBe(made);
    expect(decodeMulticlusterDocument(made)).toMatchObject({ ok: true, value: { apiHost: 'api.a.example:6443' } });
  });

  it('stream', () => {
    const data = readFileSync(join(folder, 'testdata', 'federation.json'), 'utf8');
    const event = { event: 'document', id: String(signed.now), data };
    const kept = text('stream.txt', heartbeat() + formatEvent(event) + heartbeat());
    expect(new EventStreamParser(1_000_000).push(kept)).toEqual([event]);
  });
});
