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
  it('100 services, 50 proxies, one endpoint changes: under 30 ms of CPU', () => {
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
    const median = costs.slice(1).sort((a, b) => a - b)[7] ?? Infinity;
    expect(median).toBeLessThan(30);
  });
});
