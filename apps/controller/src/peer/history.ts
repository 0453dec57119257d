import { createHash } from 'node:crypto';
import { kindWord, peerKey } from '#model';
import type { PeerRef } from '#model';
import type { Store } from '#store';
import type { PeerMemory } from '#trust';
import type { Hearing } from '../peer-link/hearing.js';

/** Where accepted documents are kept over time; a store that is away costs nothing but the history of that while. */
export interface History {
  record(peer: PeerRef, before: PeerMemory | undefined, after: PeerMemory, hearing: Hearing): void;
}

export function storedHistory(store: Pick<Store, 'documents'>): History {
  const record = (row: Parameters<Store['documents']['record']>[0]): void => {
    // The store tells its own troubles; nothing here waits for it.
    void store.documents.record(row).catch(() => undefined);
  };
  return {
    record: (peer, before, after, hearing) => {
      const common = { peer: peerKey(peer), peerUUID: after.facts.clusterUUID };
      if (hearing.publicDocument !== undefined && lasting(before) !== lasting(after)) {
        const { at, body } = hearing.publicDocument;
        record({
          ...common,
          at: new Date(at),
          kind: 'public',
          seq: String(after.facts.seq),
          digest: sha256(lasting(after)),
          body,
        });
      }
      const document = after.privateDocument;
      if (document === undefined || document.digest === before?.privateDocument?.digest) return;
      const digest = document.digest.replace('sha256:', '');
      record({
        ...common,
        at: new Date(document.fetchedAt),
        kind: kindWord(peer.kind),
        seq: String(document.seq),
        digest,
        body: document.body,
      });
    },
  };
}

/** Facts without what every refresh moves. */
function lasting(memory: PeerMemory | undefined): string {
  return memory === undefined ? '' : JSON.stringify({ ...memory.facts, seq: 0, expiresAt: 0 });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
