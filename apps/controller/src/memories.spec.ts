import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Secret } from '#istio-api';
import type { ApiObject } from '#kube';
import { peerMemorySecretName } from '#model';
import type { PeerRef } from '#model';
import type { PeerMemory } from '#trust';
import { Memories } from './memories.js';

const b: PeerRef = { kind: 'IstioFederation', name: 'b' };
const signal = new AbortController().signal;

/** Random bytes do not compress: this much fills several Secrets. */
function memory(word: string, bytes = 0): PeerMemory {
  return {
    version: 1,
    facts: {
      clusterUUID: 'uuid-b',
      trustDomain: 'b.example',
      clusterDomain: 'b.example',
      roots: [word, randomBytes(bytes).toString('base64')],
      keys: [],
      crls: [],
      signed: true,
      seq: 1,
    },
    firstContact: 'Pinned',
    firstContactAt: 1,
    publicDocument: { seq: 1, fetchedAt: 1, changedAt: 1, digest: word },
  };
}

/** Secrets as an API server keeps them; after so many writes the process that writes is killed. */
class Cluster {
  readonly secrets = new Map<string, Secret & ApiObject>();
  writesLeft = Number.POSITIVE_INFINITY;
  readonly told: string[] = [];

  memories(): Memories {
    return new Memories({
      client: {
        apply: (object) => {
          this.#write();
          this.secrets.set(object.metadata?.name ?? '', object as Secret & ApiObject);
          return Promise.resolve(object);
        },
        delete: (path) => {
          this.#write();
          return Promise.resolve(this.secrets.delete(path.split('/').at(-1) ?? ''));
        },
      },
      secrets: { get: (_namespace, name) => this.secrets.get(name), list: () => [...this.secrets.values()] },
      namespace: 'n',
      onUnreadable: (_peer, message) => void this.told.push(message),
    });
  }

  #write(): void {
    if (this.writesLeft-- <= 0) throw new Error('killed');
  }
}

const wordOf = (found: PeerMemory | undefined): string | undefined => found?.facts.roots[0];

describe('what is remembered of a peer', () => {
  it('is there for the next leader, in as many Secrets as it needs and no more', async () => {
    const cluster = new Cluster();
    await cluster.memories().remember(b, memory('large', 2_000_000), signal);
    expect(cluster.secrets.size).toBeGreaterThan(2);
    expect(wordOf(cluster.memories().get(b))).toBe('large');
    await cluster.memories().remember(b, memory('small'), signal);
    expect([...cluster.secrets.keys()]).toEqual([peerMemorySecretName(b)]);
    expect(wordOf(cluster.memories().get(b))).toBe('small');
  });

  it('is the old or the new, whole, wherever the writing is cut short', async () => {
    const found = new Set<string | undefined>();
    for (let writes = 0; writes < 8; writes += 1) {
      const cluster = new Cluster();
      await cluster.memories().remember(b, memory('old', 1_500_000), signal);
      cluster.writesLeft = writes;
      await cluster
        .memories()
        .remember(b, memory('new', 1_500_000), signal)
        .catch(() => undefined);
      const next = cluster.memories();
      found.add(wordOf(next.get(b)));
      expect(next.fault(b)).toBeUndefined();
      cluster.writesLeft = Number.POSITIVE_INFINITY;
      await next.remember(b, memory('last'), signal);
      expect(cluster.secrets.size).toBe(1);
    }
    expect(found).toEqual(new Set(['old', 'new']));
  });

  it.each<[string, (cluster: Cluster) => void]>([
    [
      'a shard is gone',
      ({ secrets }) => void secrets.delete([...secrets.keys()].find((name) => name.includes('shard')) ?? ''),
    ],
    [
      'a shard has other bytes',
      ({ secrets }) => {
        const [name, secret] = [...secrets].at(-1) ?? [];
        if (name !== undefined && secret !== undefined)
          secrets.set(name, { ...secret, data: { 'document.gz': 'AAAA' } });
      },
    ],
    [
      'the text is another one',
      ({ secrets }) => {
        const name = peerMemorySecretName(b);
        const secret = secrets.get(name);
        if (secret === undefined) return;
        const annotations = { ...secret.metadata?.annotations, 'isthmus.dev/digest': 'another' };
        secrets.set(name, { ...secret, metadata: { ...secret.metadata, annotations } });
      },
    ],
  ])('is not taken for nothing when %s: the fault names the Secret and the remedy, once', async (_what, damage) => {
    const cluster = new Cluster();
    await cluster.memories().remember(b, memory('old', 1_500_000), signal);
    damage(cluster);
    const next = cluster.memories();
    expect(next.get(b)).toBeUndefined();
    expect(next.fault(b)).toMatch(/n\/isthmus-peer-federation-b .*delete that Secret/);
    next.fault(b);
    expect(cluster.told).toHaveLength(1);
    cluster.secrets.delete(peerMemorySecretName(b));
    expect(next.fault(b)).toBeUndefined();
  });

  it('leaves a peer alone whose name is that of a shard', async () => {
    const cluster = new Cluster();
    const memories = cluster.memories();
    await memories.remember({ ...b, name: 'b-1' }, memory('other'), signal);
    await memories.remember(b, memory('large', 1_500_000), signal);
    await memories.remember(b, memory('small'), signal);
    await memories.forget(b);
    expect(wordOf(cluster.memories().get({ ...b, name: 'b-1' }))).toBe('other');
    expect(cluster.memories().get(b)).toBeUndefined();
  });

  it('is forgotten whole, even when it cannot be read', async () => {
    const cluster = new Cluster();
    await cluster.memories().remember(b, memory('old', 1_500_000), signal);
    cluster.secrets.delete([...cluster.secrets.keys()].find((name) => name.includes('shard')) ?? '');
    await cluster.memories().forget(b);
    expect(cluster.secrets.size).toBe(0);
  });
});
