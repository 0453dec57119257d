import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type MeshModel, SnapshotBuilder } from '#xds';
import { endpoint, model, ownDomain, proxy, service, workload } from '../../libs/xds/src/model.fixture.js';
import { freePort, waitFor } from '../harness/child.js';
import { answerTo } from './xds/callers.js';
import { caFor, identityFor } from './xds/identities.js';
import { onLoopback } from './xds/loopback.js';
import { certificateSecret, relocated } from './xds/relocate.js';
import { ServedEnvoy } from './xds/served-envoy.js';

const zones = ['east/a', 'east/b', 'north/a', 'north/b', 'south/a'] as const;
type Zone = (typeof zones)[number];
const hostname = 'spread.demo.svc.cluster.a';
const calls = 400;

describe('what a real Envoy in one zone makes of `distribute` with isthmus.dev/failover beside it', () => {
  let port = 0;
  const builder = new SnapshotBuilder();
  const node = proxy('sidecar~127.0.0.1~client-1.demo~demo.svc.cluster.a');
  const envoy = new ServedEnvoy(node.id);
  const applications = new Map<Zone, Server>();
  const ca = caFor(ownDomain);
  const identity = certificateSecret(identityFor(ca, `spiffe://${ownDomain}/ns/demo/sa/client`));

  const modelWith = (present: readonly Zone[]): MeshModel => ({
    ...model,
    trust: { ...model.trust, roots: ca.roots, peers: [] },
    workloads: [workload({ name: 'client', addresses: ['127.0.0.1'], locality: 'east/a' })],
    services: [
      service({
        name: 'spread',
        addresses: ['10.96.0.20'],
        ports: [{ name: 'http', number: 80, protocol: 'HTTP' }],
        endpoints: present.map((locality) =>
          endpoint({
            ...{ address: '127.0.0.1', port: portOf(locality), servicePort: 80, tlsMode: 'disabled', locality },
          }),
        ),
      }),
    ],
    destinationRules: [
      {
        ...{ name: 'spread', namespace: 'demo', host: hostname, exportTo: [], createdAt: 1, portPolicies: {} },
        trafficPolicy: {
          outlierDetection: {},
          locality: {
            distribute: [
              { from: 'east/*', to: { 'east/a': 80, 'east/b': 20 } },
              { from: 'north/*', to: { 'north/a': 30, 'north/b': 70 } },
            ],
            distributeFailover: [
              { from: 'east', to: 'north' },
              { from: 'east', to: 'south' },
            ],
          },
        },
      },
    ],
    authorizationPolicies: [],
  });

  const portOf = (zone: Zone): number => (applications.get(zone)?.address() as AddressInfo).port;

  const serve = (present: readonly Zone[]): void =>
    envoy.serve(
      relocated(builder.snapshotFor(modelWith(present), node), {
        listeners: { '0.0.0.0_80': [port] },
        applications: {},
      }),
      [identity],
    );

  /** Percent of calls by the zone that answered; the calls that failed stand under their status. */
  async function shares(): Promise<Readonly<Record<string, number>>> {
    const found: Record<string, number> = {};
    for (let made = 0; made < calls; made += 1) {
      const { status, body } = await answerTo(port, hostname);
      const who = status === 200 ? body : String(status);
      found[who] = (found[who] ?? 0) + 100 / calls;
    }
    return found;
  }

  /** Once the proxy calls these zones only, the shares over all calls: near enough to what is wanted, and nothing besides. */
  async function expectShares(wanted: Partial<Record<Zone, number>>): Promise<void> {
    await waitFor('the zones that are left', async () => {
      // Zones of before may answer among those that are wanted: so many in a row do not by chance.
      for (let made = 0; made < calls / 8; made += 1)
        if (!((await answerTo(port, hostname)).body in wanted)) return undefined;
      return true;
    });
    const found = await shares();
    expect(Object.keys(found).sort()).toEqual(Object.keys(wanted).sort());
    for (const [zone, percent] of Object.entries(wanted))
      expect(Math.abs((found[zone] ?? 0) - percent)).toBeLessThan(8);
  }

  beforeAll(async () => {
    for (const zone of zones) {
      const application = createServer((_request, response) => response.end(zone));
      applications.set(zone, application);
      await onLoopback(application);
    }
    port = await freePort();
    serve(zones);
    await envoy.start();
  }, 120_000);

  afterAll(async () => {
    await envoy.stop();
    for (const application of applications.values()) application.close();
  });

  it('shares calls out by the weights of its own region, and sends none beyond', async () => {
    await expectShares({ 'east/a': 80, 'east/b': 20 });
  }, 120_000);

  it('gives the part of a zone that is empty to the other one of its region', async () => {
    serve(zones.filter((zone) => zone !== 'east/a'));
    await expectShares({ 'east/b': 100 });
  }, 120_000);

  it('goes to the next region once its own is empty, by the weights that hold there', async () => {
    serve(zones.filter((zone) => !zone.startsWith('east')));
    await expectShares({ 'north/a': 30, 'north/b': 70 });
  }, 120_000);

  it('goes to the last region when nothing else is left, and back to the weights of its own', async () => {
    serve(['south/a']);
    await expectShares({ 'south/a': 100 });
    serve(zones);
    await expectShares({ 'east/a': 80, 'east/b': 20 });
    expect(envoy.refusals).toEqual([]);
  }, 120_000);
});
