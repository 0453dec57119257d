import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger } from '#kube';
import { peerKey } from '#model';
import type { PeerRef } from '#model';
import { openStore } from '#store';
import type { Store } from '#store';
import type { PeerMemory } from '#trust';
import { storedHistory } from '../../apps/controller/src/peer/history.js';
import { waitFor } from '../harness/child.js';
import { temporaryDirectory } from '../harness/postgres.js';

const at = Date.now();
const directory = temporaryDirectory();
let store: Store;

/** What is remembered after a look that took this private document. */
function memory(body: string): PeerMemory {
  const document = { seq: 7, fetchedAt: at, changedAt: at };
  return {
    version: 1,
    facts: {
      ...{ clusterUUID: 'u-b', trustDomain: 'b.example', clusterDomain: 'b.example', signed: true, seq: 7 },
      ...{ roots: [], keys: [], crls: [] },
    },
    firstContact: 'Blind',
    firstContactAt: at,
    publicDocument: { ...document, digest: 'sha256:public' },
    privateDocument: { ...document, digest: `sha256:${body}`, body },
  };
}

/** Kinds under which bodies stand for a peer, once so many rows are there. */
async function standing(peer: PeerRef, count: number): Promise<readonly (readonly [kind: string, body: string])[]> {
  const kinds = ['public', 'federation', 'multicluster'] as const;
  return waitFor(`${count} documents of ${peerKey(peer)}`, async () => {
    const rows = await Promise.all(kinds.map((kind) => store.documents.list(peerKey(peer), kind)));
    const found = rows.flat().map(({ kind, body }) => [kind, body] as const);
    return found.length >= count ? found : undefined;
  });
}

beforeAll(async () => {
  store = openStore({ databaseUrl: undefined, dataDirectory: directory, logger: silentLogger });
  await store.ready;
}, 60_000);

afterAll(async () => {
  await store?.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('what the controller keeps of peers’ documents', () => {
  it.each([
    ['IstioFederation', 'federation'],
    ['IstioMulticluster', 'multicluster'],
  ] as const)('private documents of an %s stand under %s', async (kind, filed) => {
    const peer = { kind, name: 'b' };
    const history = storedHistory(store);
    const heard = { mode: 'stream', publicDocument: { body: '{"public":1}', at } } as const;
    history.record(peer, undefined, memory('{"first":1}'), heard);
    await standing(peer, 2);
    history.record(peer, memory('{"first":1}'), memory('{"second":1}'), heard);
    expect(await standing(peer, 3)).toEqual([
      ['public', '{"public":1}'],
      [filed, '{"second":1}'],
      [filed, '{"first":1}'],
    ]);
  });
});
