import { randomBytes } from 'node:crypto';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect as connectHttp2 } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { advanceCa, type CaRotationFacts, generateCa, loadCa, phaseOf, type WorkloadCa } from '#trust';
import { type MeshModel, type MeshService, snapshotFor } from '#xds';
import { endpoint, model, ownDomain, peerDomain, proxy, service, workload } from '../../libs/xds/src/model.fixture.js';
import { freePort } from '../harness/child.js';
import { answerTo, get, tls } from './xds/callers.js';
import { caFor, type Identity, identityFor } from './xds/identities.js';
import { onLoopback } from './xds/loopback.js';
import { certificateSecret, relocated } from './xds/relocate.js';
import { ServedEnvoy } from './xds/served-envoy.js';

const thirdDomain = 'gamma.example';
const shopIn = (trustDomain: string): string => `spiffe://${trustDomain}/ns/demo/sa/shop`;

/** A CA before and after its root was replaced, while the old root is still trusted. */
function replacedRoot(trustDomain: string): { readonly before: WorkloadCa; readonly after: WorkloadCa } {
  const now = Date.now();
  const freshCa = (): ReturnType<typeof generateCa> =>
    generateCa({ trustDomain, now, algorithm: 'ec', serial: randomBytes(16) });
  const asked: CaRotationFacts = {
    ...{ now, request: 'one', announceMs: 0, distributed: true, freshCa, serial: () => randomBytes(16) },
  };
  const begin = { files: freshCa(), rotation: { issuedUntil: now + 3600_000 } };
  const leaving = advanceCa(advanceCa(begin, asked), asked);
  if (phaseOf(leaving) !== 'leaving') throw new Error(`the root was not replaced: ${phaseOf(leaving)}`);
  return { before: loadCa(begin.files, now), after: loadCa(leaving.files, now) };
}

/** The same identity without what leads from its root to an older one. */
function leafOnly({ chain, key }: Identity): Identity {
  return { chain: chain.slice(0, chain.indexOf('-----END CERTIFICATE-----') + 26), key };
}

describe('whose identity a real Envoy takes: roots that change, gateways that belong to another cluster', () => {
  const own = caFor(ownDomain);
  const peer = replacedRoot(peerDomain);
  const third = caFor(thirdDomain);
  const renewed = identityFor(peer.after, shopIn(peerDomain));
  const node = proxy('sidecar~127.0.0.1~echo-1.demo~demo.svc.cluster.a');
  const envoy = new ServedEnvoy(node.id);
  const servers: Server[] = [];
  let inbound = 0;
  let outbound = 0;

  /** A workload's sidecar of another cluster, as seen through a gateway that lets TLS pass: it tells whose it is. */
  async function answering(identity: Identity, name: string): Promise<number> {
    const options = { cert: identity.chain, key: identity.key, requestCert: true, rejectUnauthorized: false };
    const server = createHttpsServer({ ...options, ALPNProtocols: ['http/1.1'] }, (_request, response) =>
      response.end(name),
    );
    servers.push(server);
    return onLoopback(server);
  }

  const http = [{ name: 'http', number: 80, protocol: 'HTTP' as const }];

  /** A service that other clusters have, each behind the gateway that it names. */
  function behindGateways(name: string, clusters: readonly string[]): MeshService {
    const endpoints = clusters.map((cluster, index) =>
      endpoint({
        ...{ address: `10.9.0.${index + 1}`, port: 8080, servicePort: 80, network: `net-${cluster}`, cluster },
        identity: shopIn(cluster === 'b' ? peerDomain : thirdDomain),
      }),
    );
    return service({ name, ports: http, throughGateways: true, remoteClusters: clusters, endpoints });
  }

  function calling(name: string, port: number): MeshService {
    const endpoints = [endpoint({ address: '127.0.0.1', port, servicePort: 80, network: '' })];
    return service({ name, ports: http, subjectAltNames: [shopIn(peerDomain)], endpoints });
  }

  beforeAll(async () => {
    const application = createHttpServer((request, response) =>
      response.end(String(request.headers['x-forwarded-client-cert'])),
    );
    servers.push(application);
    const applicationPort = await onLoopback(application);
    [inbound, outbound] = [await freePort(), await freePort()];
    const gateways = [
      { address: '127.0.0.1', port: await answering(identityFor(third, shopIn(thirdDomain)), 'the third cluster') },
    ];
    const mesh: MeshModel = {
      ...model,
      workloads: [workload({ name: 'echo', addresses: ['127.0.0.1'] })],
      services: [
        service({
          ...{ name: 'echo', selector: { app: 'echo' } },
          ports: [{ name: 'http', number: 81, targetPort: inbound, protocol: 'HTTP' }],
        }),
        calling('with-cross', await answering(renewed, 'renewed')),
        calling('without-cross', await answering(leafOnly(renewed), 'renewed')),
        behindGateways('only-b', ['b']),
        behindGateways('shared', ['b', 'c']),
      ],
      authorizationPolicies: [],
      trust: {
        roots: own.roots,
        peers: [
          { trustDomain: peerDomain, roots: peer.before.roots, crls: [] },
          { trustDomain: thirdDomain, roots: third.roots, crls: [] },
        ],
      },
      grants: [{ trustDomain: peerDomain, everything: true, allowed: [] }],
      // Cluster b says that c's gateway is its own.
      clusterGateways: ['b', 'c'].map((cluster) => ({ cluster, network: `net-${cluster}`, gateways })),
    };
    const places = {
      listeners: { virtualInbound: [inbound], '0.0.0.0_80': [outbound] },
      applications: { [`inbound|${inbound}||`]: applicationPort },
    };
    const secrets = [certificateSecret(identityFor(own, `spiffe://${ownDomain}/ns/demo/sa/echo`))];
    envoy.serve(relocated(snapshotFor(mesh, node), places), secrets);
    await envoy.start();
  }, 120_000);

  afterAll(async () => {
    await envoy.stop();
    for (const server of servers) server.close();
  });

  const call = (name: string): ReturnType<typeof answerTo> => answerTo(outbound, `${name}.demo.svc.cluster.a`);

  /** Handshakes that a service's cluster gave up for one reason. */
  async function givenUp(name: string, reason: 'fail_verify_san' | 'fail_verify_error'): Promise<number> {
    const stats = await (await fetch(`http://127.0.0.1:${envoy.running.adminPort}/stats?filter=${reason}`)).text();
    const line = stats.split('\n').find((each) => each.includes(`||${name}.demo`));
    return Number(line?.split(': ')[1] ?? 0);
  }

  async function callerSeen(identity: Identity): Promise<string | undefined> {
    try {
      const socket = await tls(identity, inbound, ['istio-h2', 'istio', 'h2']);
      const session = connectHttp2('https://echo', { createConnection: () => socket });
      const failed = new Promise<undefined>((resolve) => session.on('error', () => resolve(undefined)));
      const answer = await Promise.race([get(session).catch(() => undefined), failed]);
      session.destroy();
      return answer?.body;
    } catch {
      return undefined;
    }
  }

  it('a server’s new root is taken by who knows only the old one, through the cross-certificate and not without', async () => {
    expect(await call('with-cross')).toEqual({ status: 200, body: 'renewed' });
    expect(await call('without-cross')).toMatchObject({ status: 503 });
    expect(await givenUp('without-cross', 'fail_verify_error')).toBeGreaterThan(0);
  });

  it('a caller’s new root is taken by who knows only the old one, through the cross-certificate and not without', async () => {
    expect(await callerSeen(renewed)).toContain(`URI=${shopIn(peerDomain)}`);
    expect(await callerSeen(leafOnly(renewed))).toBeUndefined();
  });

  it('a peer that names another’s gateway as its own gets no call for a service that only it has answered there', async () => {
    expect(await call('only-b')).toMatchObject({ status: 503 });
    expect(await givenUp('only-b', 'fail_verify_san')).toBeGreaterThan(0);
  });

  it('… and for a service that both have, its owner there answers as itself', async () => {
    expect(await call('shared')).toEqual({ status: 200, body: 'the third cluster' });
    expect(envoy.refusals).toEqual([]);
  });
});
