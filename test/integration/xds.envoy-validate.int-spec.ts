import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { LocalityPolicy, MeshModel, ProxyNode } from '#xds';
import { snapshotFor } from '#xds';
import {
  clientProxy,
  dbProxy,
  echo,
  echoProxy,
  gatewayProxy,
  model,
  ownDomain,
} from '../../libs/xds/src/model.fixture.js';
import { partPath } from '../../scripts/setup/index.js';
import { caFor, identityFor } from './xds/identities.js';
import { staticBootstrap } from './xds/static-bootstrap.js';

const run = promisify(execFile);

const strict: MeshModel['peerAuthentications'] = [
  { name: 'default', namespace: 'demo', createdAt: 1, mode: 'STRICT', portModes: {} },
  {
    name: 'echo',
    namespace: 'demo',
    createdAt: 1,
    selector: { app: 'echo' },
    portModes: { 9999: 'DISABLE', 7777: 'PERMISSIVE' },
  },
];

/** One service in two clusters and three places, with every way to weigh and order them; the far cluster behind gateways. */
const placed = (locality: LocalityPolicy): Partial<MeshModel> => ({
  networkGateways: ['192.0.2.1', '192.0.2.2'].map((address) => ({ network: 'net-b', address, port: 15443 })),
  services: [
    {
      ...echo,
      throughGateways: true,
      remoteClusters: ['west'],
      endpoints: ['eu/a', 'eu/b/r1', 'us/c', ''].flatMap((place, index) =>
        echo.endpoints.map((endpoint) => ({
          ...endpoint,
          address: `10.${index + 3}.0.1`,
          locality: place,
          ...(index > 1 ? { cluster: 'west', network: 'net-b' } : {}),
        })),
      ),
    },
  ],
  destinationRules: [
    {
      name: 'echo',
      namespace: 'demo',
      host: echo.hostname,
      exportTo: [],
      createdAt: 1,
      trafficPolicy: { locality },
      portPolicies: {},
    },
  ],
});
const distribute = [{ from: 'eu/*', to: { 'eu/a/*': 80, 'eu/b/*': 20 } }];
const near: ProxyNode = { ...clientProxy, locality: 'eu/a' };

describe('upstream Envoy accepts every resource (envoy --mode validate)', () => {
  const ca = caFor(ownDomain);
  const identity = identityFor(ca, `spiffe://${ownDomain}/ns/demo/sa/echo`);
  let folder = '';
  let realModel: MeshModel = model;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'isthmus-validate-'));
    const peers = model.trust.peers.map((peer) => ({ ...peer, roots: caFor(peer.trustDomain).roots }));
    realModel = { ...model, trust: { roots: ca.roots, peers } };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const cases: readonly [string, ProxyNode, Partial<MeshModel>][] = [
    ['client, permissive', clientProxy, {}],
    ['server with policies and grants, permissive', echoProxy, {}],
    ['server, strict with exceptions', echoProxy, { peerAuthentications: strict }],
    ['headless server', dbProxy, {}],
    ['registry only', clientProxy, { settings: { outboundTrafficPolicy: 'REGISTRY_ONLY' } }],
    ['places in order', near, placed({ failover: [{ from: 'eu', to: 'us' }] })],
    ['labels in order', near, placed({ failoverPriority: ['topology.istio.io/network', 'app'] })],
    ['places with weights', near, placed({ distribute })],
    ['both', near, placed({ distribute, distributeFailover: [{ from: 'eu', to: 'us' }] })],
    ['gateway with exports', gatewayProxy, {}],
    ['gateway without exports', gatewayProxy, { gatewayExports: [] }],
  ];

  it.each(cases)('%s', async (name, proxy, changes) => {
    const snapshot = snapshotFor({ ...realModel, ...changes }, proxy);
    const file = join(folder, `${name.replaceAll(/\W/g, '-')}.json`);
    await writeFile(file, staticBootstrap(snapshot, proxy.id, identity));
    const { stdout, stderr } = await run(partPath('envoy'), ['--mode', 'validate', '-c', file]);
    expect(stdout + stderr).toContain('OK');
  });
});
