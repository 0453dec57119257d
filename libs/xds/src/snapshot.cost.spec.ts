import { describe, expect, it } from '@jest/globals';
import { endpoint, model, ownDomain, proxy, service } from './model.fixture.js';
import { SnapshotBuilder } from './snapshot.js';

const services = Array.from({ length: 100 }, (_, index) =>
  service({
    name: `s${index}`,
    addresses: [`10.96.1.${index}`],
    selector: { app: `s${index}` },
    ports: [{ name: 'http', number: 80, targetPort: 8080, protocol: 'HTTP' }],
    endpoints: [1, 2, 3].map((pod) =>
      endpoint({
        address: `10.2.${pod}.${index}`,
        port: 8080,
        servicePort: 80,
        identity: `spiffe://${ownDomain}/ns/demo/sa/s${index}`,
      }),
    ),
  }),
);
const proxies = Array.from({ length: 50 }, (_, index) =>
  proxy(`sidecar~10.2.1.${index}~p-${index}.demo~demo.svc.cluster.a`, { LABELS: { app: `s${index}` } }),
);

describe('cost of a change', () => {
  it('100 services, 50 proxies, one endpoint changes: a tenth of what everything costs', () => {
    const builder = new SnapshotBuilder();
    const costs = Array.from({ length: 15 }, (_, round) => {
      const changed = services.map((each, index) =>
        index === round ? { ...each, endpoints: each.endpoints.slice(1) } : each,
      );
      const next = { ...model, services: changed };
      const before = process.cpuUsage();
      for (const each of proxies) builder.snapshotFor(next, each);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    // The first round encodes everything; the median of the others is what a change costs.
    const [everything = 0, ...changes] = costs;
    const median = changes.sort((a, b) => a - b)[7] ?? Infinity;
    expect(median).toBeLessThan(everything / 10);
  });

  it('services in three clusters, proxies in four places: one endpoint is encoded once for each place, nothing else at all', () => {
    const builder = new SnapshotBuilder();
    const everywhere = services.map((each) => ({
      ...each,
      remoteClusters: ['west', 'north'],
      endpoints: ['', 'west', 'north'].flatMap((cluster, index) =>
        each.endpoints.map((one) => ({
          ...one,
          address: one.address.replace('10.2.', `10.${index + 2}.`),
          locality: `r${index}/z`,
          ...(cluster === '' ? {} : { cluster }),
        })),
      ),
    }));
    const encodings = (next: typeof everywhere): ReadonlySet<unknown> => {
      const served = { ...model, services: next };
      const snapshots = proxies.map((each, index) =>
        builder.snapshotFor(served, { ...each, locality: `r${index % 2}/z${(index >> 1) % 2}` }),
      );
      return new Set(snapshots.flatMap((each) => [...each.values()].flatMap((byName) => [...byName.values()])));
    };
    const before = encodings(everywhere);
    const [first, ...rest] = everywhere;
    if (first === undefined) throw new Error('no services');
    const after = encodings([{ ...first, endpoints: first.endpoints.slice(1) }, ...rest]);
    const fresh = [...after].filter((each) => !before.has(each)) as {
      readonly name: string;
      readonly typeUrl: string;
    }[];
    const kinds = Map.groupBy(fresh, ({ typeUrl }) => typeUrl.slice(typeUrl.lastIndexOf('.') + 1));
    expect([...kinds].map(([kind, all]) => `${kind} ${all.length}`).sort()).toEqual([
      'Cluster 1',
      'ClusterLoadAssignment 4',
    ]);
  });
});
