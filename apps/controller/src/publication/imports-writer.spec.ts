import { beforeEach, describe, expect, it } from '@jest/globals';
import type { KubernetesObject } from '#istio-api';
import { objectIdentity, pathOfObject } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { annotations } from '#model';
import type { World } from '../world.js';
import { ImportsWriter } from './imports-writer.js';
import { PassCounter } from './pass-counter.js';
import { PassNews } from './pass-news.js';
import type { PeerPublication } from './peer-publication.js';

type Imported = ApiObject & { readonly spec: { readonly version: number } };

/** What stands, and two copies of it that hear of changes when told to; a copy gives the same list until then. */
class Cluster {
  readonly stands = new Map<string, ApiObject>();
  readonly refused = new Set<string>();
  writes = 0;
  #lists: Readonly<Record<string, readonly ApiObject[]>> = { ServiceEntry: [], DestinationRule: [] };

  hear(): void {
    const all = [...this.stands.values()];
    this.#lists = Object.fromEntries(
      Object.entries(this.#lists).map(([kind, before]) => {
        const now = all.filter((object) => object.kind === kind);
        const same = now.length === before.length && now.every((object, index) => object === before[index]);
        return [kind, same ? before : now];
      }),
    );
  }

  get world(): World {
    const copy = (kind: string): object => ({
      list: () => this.#lists[kind],
      get: (_namespace: string, name: string) => this.#lists[kind]?.find(({ metadata }) => metadata?.name === name),
    });
    return { serviceEntries: copy('ServiceEntry'), destinationRules: copy('DestinationRule') } as unknown as World;
  }

  get client(): KubeClient {
    const refuse = (object: ApiObject): void => {
      if (this.refused.has(objectIdentity(object))) throw new Error('refused');
    };
    return {
      apply: async (object: ApiObject) => {
        this.writes += 1;
        refuse(object);
        this.stands.set(objectIdentity(object), object);
      },
      applyStatus: async ({ metadata, kind = '', apiVersion, status }: ApiObject & { readonly status?: object }) => {
        const identity = objectIdentity({ apiVersion, kind, metadata } as ApiObject);
        this.stands.set(identity, { ...this.stands.get(identity), status } as ApiObject);
      },
      delete: async (path: string) => {
        for (const [identity, object] of this.stands) if (pathOfObject(object) === path) this.stands.delete(identity);
      },
    } as unknown as KubeClient;
  }
}

function serviceOf(index: number, version = 1): readonly Imported[] {
  const metadata = { namespace: 'i', name: `s${index}`, annotations: { [annotations.peers]: 'federation/west' } };
  const spec = { hosts: [`h${index}`], version };
  return ['ServiceEntry', 'DestinationRule'].map(
    (kind) => ({ apiVersion: 'networking.istio.io/v1', kind, metadata, spec }) as Imported,
  );
}

describe('imports, a step at a time', () => {
  const signal = new AbortController().signal;
  let cluster: Cluster;
  let news: PassNews;
  let writer: ImportsWriter;

  beforeEach(() => {
    cluster = new Cluster();
    news = new PassNews(() => undefined);
    writer = new ImportsWriter({ client: cluster.client, world: cluster.world, news, passes: new PassCounter() });
  });

  function want(services: number, version = 1): void {
    const imports = Array.from({ length: services }, (_, index) => serviceOf(index, version)).flat();
    const virtualAddresses = imports.map(({ metadata }) => ({
      hostname: `h${metadata?.name?.slice(1)}`,
      address: `240.0.0.${metadata?.name}`,
    }));
    writer.want({ imports: imports as readonly KubernetesObject[], virtualAddresses, pass: 1 });
  }

  function judged(told: Partial<PeerPublication>): void {
    const counts = { imported: 0, exported: 0, withdrawn: 0, findings: [], exportFindings: [] };
    const publication = { trusted: true, trustWithdrawn: false, heard: true, ...counts, ...told };
    news.judged(new Map([['federation/west', publication]]));
  }

  /** Steps until nothing is left, all being heard in between; how many it took. */
  async function carryOut(): Promise<number> {
    for (let steps = 1; steps < 50; steps += 1) {
      cluster.hear();
      if (!(await writer.step(signal))) {
        cluster.hear();
        return steps;
      }
    }
    throw new Error('there is always more');
  }

  it('writes each object once, two hundred in a step, then addresses, then nothing', async () => {
    want(450);
    expect(await carryOut()).toBe(5);
    expect([cluster.stands.size, cluster.writes, news.pendingOf('federation/west')]).toEqual([900, 900, 0]);
    expect([...cluster.stands.values()].filter((object) => 'status' in object)).toHaveLength(450);
    want(450);
    expect([await carryOut(), cluster.writes]).toEqual([1, 900]);
  });

  it.each([0, 1])('writes again what somebody else deletes between two steps (%i)', async (kind) => {
    want(3);
    await carryOut();
    // Addresses have been heard of, too: nothing else changes now.
    await carryOut();
    const identity = objectIdentity(serviceOf(1)[kind] as ApiObject);
    cluster.stands.delete(identity);
    await carryOut();
    expect([cluster.stands.has(identity), cluster.writes]).toEqual([true, 7]);
  });

  it('goes by what was wanted last, also in the midst of a change', async () => {
    want(300);
    cluster.hear();
    await writer.step(signal);
    want(150, 2);
    expect(news.pendingOf('federation/west')).toBe(150);
    await carryOut();
    expect(cluster.stands.size).toBe(300);
    expect([...cluster.stands.values()].every((object) => (object as Imported).spec.version === 2)).toBe(true);
    want(0);
    await carryOut();
    expect(cluster.stands.size).toBe(0);
  });

  it.each([
    ['was not heard before', { heard: false }, 2],
    ['was not trusted before', { trusted: false }, 2],
    ['was whole, with nothing', {}, 0],
  ])('of a peer that %s', async (_name, before, pending) => {
    judged(before);
    want(0);
    await carryOut();
    want(2);
    judged({ imported: 2 });
    expect(news.pendingOf('federation/west')).toBe(pending);
    expect(news.standing().get('federation/west')).toBe(2 - pending);
    await carryOut();
    expect(news.standing().get('federation/west')).toBe(2);
  });

  it('tells what is refused until it stands, and counts what stands', async () => {
    judged({ imported: 3 });
    const standing = (): unknown => news.standing().get('federation/west');
    const [entry] = serviceOf(1);
    cluster.refused.add(objectIdentity(entry as ApiObject));
    want(3);
    expect(standing()).toBe(0);
    await expect(carryOut()).rejects.toThrow('refused');
    expect([news.pendingOf('federation/west'), news.unwrittenOf('federation/west')?.services]).toEqual([1, 1]);
    expect(standing()).toBe(2);
    cluster.refused.clear();
    await carryOut();
    expect([news.pendingOf('federation/west'), news.unwrittenOf('federation/west')]).toEqual([0, undefined]);
    expect(standing()).toBe(3);
  });
});
