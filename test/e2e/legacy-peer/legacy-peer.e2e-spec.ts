import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { leastOf } from '../../harness/rounds.js';
import { startLab } from '../../lab/index.js';
import type { ApiObject, Lab, LabCluster } from '../../lab/index.js';
import { mintCertificate } from '../../demo/certificates.js';
import { startLegacyPeer } from '../../demo/legacy.js';
import type { RunningLegacyPeer } from '../../demo/legacy.js';
import {
  call,
  callGateway,
  condition,
  federation,
  gatewayAddress,
  label,
  peerEvents,
  publicLabel,
  serviceEntryHosts,
  untilAnswered,
} from '../../demo/scene.js';
import type { Scene } from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import { caseLimitMs } from '../limits.js';
import { unusedGrants } from '../rbac/grants.js';
import { auditRows } from './audit-rows.js';

const federations = '/apis/isthmus.dev/v1alpha1/istiofederations';
const entries = '/apis/networking.istio.io/v1/namespaces/isthmus-imports/serviceentries';
const legacyEcho = 'echo.demo.svc.legacy.example';
const eastEcho = 'echo.demo.svc.east.example';
const foreign = [legacyEcho, 'api.example.com', 'x.demo.svc.east.example', 'kubernetes.default.svc.cluster.local'];
const identity = 'spiffe://legacy.example/ns/demo/sa/echo';

interface Entry extends ApiObject {
  readonly spec?: { readonly endpoints?: readonly unknown[] };
}

let lab: Lab;
let east: LabCluster;
let scene: Scene;
let peer: RunningLegacyPeer;

jest.setTimeout(caseLimitMs);

function offer(hosts: readonly string[], port = 15443): object {
  const ports = [{ name: 'http', port: 80 }];
  return {
    ingressGateways: [{ address: '10.10.200.5', port }],
    publicServices: hosts.map((hostname) => ({ hostname, ports })),
  };
}

async function applyPeer(name: string, spec: object): Promise<void> {
  await east.api.apply(`${federations}/${name}`, {
    apiVersion: 'isthmus.dev/v1alpha1',
    kind: 'IstioFederation',
    metadata: { name },
    spec,
  });
}

function legacySpec(of: RunningLegacyPeer, more: object = {}): object {
  return { trustDomain: 'legacy.example', metadataEndpoint: of.ready.endpoint, metadata: { ca: of.ready.ca }, ...more };
}

async function trusted(): Promise<void> {
  await eventually('trust', patienceMs, async () =>
    (await condition(east, 'legacy', 'TrustEstablished'))?.status === 'True' ? true : undefined,
  );
}

async function imports(count: number): Promise<void> {
  await eventually(`${count} imports`, patienceMs, async () => {
    const hosts = await serviceEntryHosts(east);
    if (hosts.length === count) return true;
    throw new Error(hosts.join(', '));
  });
}

async function imported(): Promise<void> {
  await eventually('the import', patienceMs, async () =>
    (await serviceEntryHosts(east)).includes(legacyEcho) ? true : undefined,
  );
}

async function gone(name: string): Promise<void> {
  await eventually(`${name} to be gone`, patienceMs, async () =>
    (await federation(east, name)) === undefined ? true : undefined,
  );
}

function reason(name: string, type: string, wanted: string): Promise<boolean> {
  return eventually(
    `${type} of ${name} to say ${wanted}`,
    patienceMs,
    async () => {
      const found = await condition(east, name, type);
      if (found?.reason === wanted) return true;
      throw new Error(`${found?.status}/${found?.reason}: ${found?.message}`);
    },
    100,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'isthmus-e2e-'));

beforeAll(async () => {
  const values = join(folder, 'values.yaml');
  writeFileSync(values, 'controller:\n  documents: { streams: true, pollSeconds: 1 }\n');
  // Without WatchList, as API servers before 1.34 are: informers list and watch, so that the right to list is used too.
  lab = await startLab({
    clusters: 1,
    peers: false,
    values: [values],
    apiServerFlags: ['--feature-gates=WatchList=false'],
  });
  east = lab.clusters[0] as LabCluster;
  scene = { lab, a: east, b: east };
  peer = await startLegacyPeer(east, {
    poll: east.metadataEndpoint,
    pollSeconds: 1,
    document: offer([legacyEcho]),
    serve: [`10.10.200.5:15443=${identity}`, '10.10.200.5:15444=spiffe://legacy.example/ns/other/sa/thief'],
  });
});

afterAll(async () => {
  await peer?.stop();
  await lab?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('a legacy peer, written from the protocol tables alone', () => {
  /** Milliseconds from the resource to its service. */
  async function importedAfter(name: string): Promise<number> {
    const started = performance.now();
    await applyPeer(name, legacySpec(peer));
    await imported();
    return performance.now() - started;
  }

  it('is trusted, and its service is imported within five seconds of the resource', async () => {
    // It refuses everybody until it has asked for our keys, once a second.
    await peer.next('polled', 0);
    const took = await leastOf(3, 5_000, async () => {
      const ms = await importedAfter('first');
      await east.api.delete(`${federations}/first`);
      await gone('first');
      return ms;
    });
    expect(took).toBeLessThan(5_000);
    await importedAfter('legacy');
    await trusted();
    expect((await federation(east, 'legacy'))?.status?.peer).toMatchObject({ signed: false });
  });

  it('is called by name, and knows who calls', async () => {
    const answer = await eventually('the call', patienceMs, async () => {
      const result = await call(lab, east, 'call-http', `http://${legacyEcho}/`);
      if (!result.ok) throw new Error(JSON.stringify(result).slice(0, 300));
      return result;
    });
    expect(answer.body).toEqual({
      from: 'legacy',
      caller: 'URI:spiffe://east.example/ns/demo/sa/client',
      sni: `outbound_.80_._.${legacyEcho}`,
    });
  });

  it('is not believed under another identity than its namespace’s', async () => {
    peer.send({ document: offer([legacyEcho], 15_444) });
    await eventually('the call to be refused', patienceMs, async () => {
      const result = await call(lab, east, 'call-http', `http://${legacyEcho}/`);
      return result.ok ? undefined : true;
    });
    peer.send({ document: offer([legacyEcho]) });
    await untilAnswered(lab, east, 'call-http', `http://${legacyEcho}/`);
  });

  it('sees exactly what is exported to it, and calls it with its RSA certificate', async () => {
    await label(east, 'echo', { [publicLabel]: '' });
    const polled = await eventually('its poll to show the service', patienceMs, async () => {
      const last = peer.events.filter(({ event }) => event === 'polled').at(-1);
      const services =
        (last?.['document'] as { publicServices?: readonly { hostname: string }[] } | null)?.publicServices ?? [];
      return services.length > 0 ? services : undefined;
    });
    expect(polled.map(({ hostname }) => hostname)).toEqual([eastEcho]);
    expect(await auditRows(lab, east, 'federation/legacy')).toContainEqual({
      peer: 'federation/legacy',
      action: 'GET /metadata/private/federation.json',
      status: 200,
    });
    peer.send({ mint: { name: 'caller', spiffeId: 'spiffe://legacy.example/ns/demo/sa/caller' } });
    await peer.next('minted', 0);
    const files = { cert: join(peer.ready.folder, 'caller.pem'), key: join(peer.ready.folder, 'caller-key.pem') };
    const gateway = await gatewayAddress(east);
    const answer = await eventually(
      'the call',
      patienceMs,
      async () => {
        const result = await callGateway(scene, gateway, files, eastEcho);
        return result.status === 200 ? result : undefined;
      },
      200,
    );
    expect(answer.body).toContain('spiffe://legacy.example/ns/demo/sa/caller');
    const other = await callGateway(scene, gateway, files, 'client.demo.svc.east.example');
    expect(other.status).toBeUndefined();
  });

  it('cannot be impersonated by our own root', async () => {
    const forged = await mintCertificate(lab, east, 'spiffe://legacy.example/ns/demo/sa/caller', 'forged');
    expect((await callGateway(scene, await gatewayAddress(east), forged, eastEcho)).status).toBeUndefined();
  });
});

describe('what a peer may not do', () => {
  it('offers names outside its domain: DomainConflict, the rest is imported', async () => {
    peer.send({ document: offer(foreign) });
    await reason('legacy', 'ServicesImported', 'DomainConflict');
    expect(await serviceEntryHosts(east)).toEqual([legacyEcho]);
    peer.send({ document: offer([legacyEcho]) });
    await reason('legacy', 'ServicesImported', 'Succeeded');
  });

  it('does it again later: one Event for each conflict counts both', async () => {
    const counts = async (): Promise<readonly (number | undefined)[]> => {
      const conflicts = (await peerEvents(east)).filter((event) => event.reason === 'DomainConflict');
      expect(new Set(conflicts.map(({ note }) => note)).size).toBe(conflicts.length);
      return conflicts.map(({ series }) => series?.count);
    };
    // Events are written after the status that they tell of: one for each name that is not the peer's.
    const once = await eventually('an Event for each conflict', patienceMs, async () => {
      const found = await counts();
      return found.length >= foreign.length - 1 ? found : undefined;
    });
    expect(once.every((count) => count === undefined)).toBe(true);
    await eventually('the Event to count', patienceMs, async () => {
      peer.send({ document: offer(foreign) });
      await reason('legacy', 'ServicesImported', 'DomainConflict');
      peer.send({ document: offer([legacyEcho]) });
      await reason('legacy', 'ServicesImported', 'Succeeded');
      const again = await counts();
      expect(again).toHaveLength(once.length);
      return again.every((count) => (count ?? 0) > 1) ? true : undefined;
    });
  });

  it('names a forbidden gateway: AddressRefused, and nothing leads there', async () => {
    peer.send({
      document: {
        ...offer([legacyEcho]),
        ingressGateways: [
          { address: '127.0.0.1', port: 15443 },
          { address: '10.10.200.5', port: 15443 },
        ],
      },
    });
    await reason('legacy', 'ServicesImported', 'AddressRefused');
    const entry = await east.api.get<Entry>(`${entries}/${legacyEcho}`);
    expect(JSON.stringify(entry?.spec?.endpoints)).not.toContain('127.0.0.1');
    peer.send({ document: offer([legacyEcho]) });
    await reason('legacy', 'ServicesImported', 'Succeeded');
  });

  it('sends garbage: DocumentInvalid, the last good state stays', async () => {
    peer.send({ document: 'not an object' });
    await reason('legacy', 'MetadataSynced', 'DocumentInvalid');
    expect(await serviceEntryHosts(east)).toEqual([legacyEcho]);
    peer.send({ document: offer([legacyEcho]) });
    await reason('legacy', 'MetadataSynced', 'Succeeded');
  });

  it('takes twelve services away at once: held, released by the annotation', async () => {
    const many = Array.from({ length: 12 }, (_unused, index) => `s${index}.demo.svc.legacy.example`);
    peer.send({ document: offer([legacyEcho, ...many]) });
    await imports(13);
    peer.send({ document: offer([legacyEcho]) });
    await reason('legacy', 'MetadataSynced', 'RemovalHeld');
    expect(await serviceEntryHosts(east)).toHaveLength(13);
    await east.api.patch(`${federations}/legacy`, {
      metadata: { annotations: { 'isthmus.dev/accept-removal': 'true' } },
    });
    await imports(1);
    await eventually('the annotation to be taken off', patienceMs, async () => {
      const { metadata } = (await east.api.get<{ metadata: { annotations?: object } }>(`${federations}/legacy`)) ?? {};
      return 'isthmus.dev/accept-removal' in (metadata?.annotations ?? {}) ? undefined : true;
    });
    peer.send({ document: offer([legacyEcho, ...many]) });
    await imports(13);
    peer.send({ document: offer([legacyEcho]) });
    await reason('legacy', 'MetadataSynced', 'RemovalHeld');
    const held = await east.api.get<{ status?: { removalHeld?: { digest?: string } } }>(`${federations}/legacy`);
    await east.api.patch(`${federations}/legacy`, {
      metadata: { annotations: { 'isthmus.dev/accept-removal': held?.status?.removalHeld?.digest ?? '' } },
    });
    await imports(1);
  });

  it('claims a UUID that has an owner: UUIDConflict for the second, the first goes on', async () => {
    await applyPeer('twin', { ...legacySpec(peer), trustDomain: 'twin.example' });
    await reason('twin', 'TrustEstablished', 'UUIDConflict');
    expect((await condition(east, 'legacy', 'TrustEstablished'))?.status).toBe('True');
    await east.api.delete(`${federations}/twin`);
    await gone('twin');
  });

  it('claims a trust domain that another has: neither is trusted, until one is gone', async () => {
    const rival = await startLegacyPeer(east, {
      listen: '10.10.200.6:443',
      uuid: '99999999-2222-4333-8444-555555555555',
    });
    try {
      await applyPeer('rival', { ...legacySpec(rival), clusterDomain: 'rival.example' });
      await Promise.all([
        reason('rival', 'TrustEstablished', 'TrustDomainConflict'),
        reason('legacy', 'TrustEstablished', 'TrustDomainConflict'),
      ]);
      await imports(0);
      await east.api.delete(`${federations}/rival`);
      await trusted();
      await imported();
    } finally {
      await rival.stop();
    }
  });
});

describe('what an operator decides', () => {
  it('two Services on one port of the same pods: said in status', async () => {
    const service = (name: string): object => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'demo', labels: { [publicLabel]: '' } },
      spec: { selector: { app: 'echo' }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
    });
    await east.api.apply('/api/v1/namespaces/demo/services/other', service('other'));
    await reason('legacy', 'ServicesExported', 'SharedTargetPort');
    await east.api.delete('/api/v1/namespaces/demo/services/other');
    await reason('legacy', 'ServicesExported', 'Succeeded');
  });

  it('DrainAfter: endpoints go when the peer is silent for so long, and come back with it', async () => {
    await applyPeer('legacy', legacySpec(peer, { stalePolicy: { mode: 'DrainAfter', after: '2s' } }));
    peer.signal('SIGSTOP');
    await reason('legacy', 'ServicesImported', 'Drained');
    await eventually('no endpoints', patienceMs, async () => {
      const entry = await east.api.get<Entry>(`${entries}/${legacyEcho}`);
      return (entry?.spec?.endpoints ?? []).length === 0 ? true : undefined;
    });
    peer.signal('SIGCONT');
    await eventually('endpoints', patienceMs, async () => {
      const entry = await east.api.get<Entry>(`${entries}/${legacyEcho}`);
      return (entry?.spec?.endpoints ?? []).length === 1 ? true : undefined;
    });
  });

  it('deletes the resource: imports go, its stream is cut, its tokens and calls are refused, Events say so', async () => {
    const files = { cert: join(peer.ready.folder, 'caller.pem'), key: join(peer.ready.folder, 'caller-key.pem') };
    const before = peer.events.length;
    peer.send({ stream: true });
    expect((await peer.next('streaming', before))['status']).toBe(200);
    await east.api.delete(`${federations}/legacy`);
    await peer.next('stream-ended', before);
    await gone('legacy');
    expect(await serviceEntryHosts(east)).toEqual([]);
    await eventually('its poll to be refused', patienceMs, async () => {
      const status = peer.events.filter(({ event }) => event === 'polled').at(-1)?.['status'];
      return status === 401 || status === 403 ? true : undefined;
    });
    const gateway = await gatewayAddress(east);
    await eventually('its call to be refused', patienceMs, async () => {
      const { status, refused } = await callGateway(scene, gateway, files, eastEcho);
      return status === 200 || (status ?? refused) === undefined ? undefined : true;
    });
    const ended = 'trust in IstioFederation legacy (legacy.example) has ended; 1 imported service removed';
    const cut = /metadata-api \S+ closed 1 stream/;
    const told = await eventually('both Events', patienceMs, async () => {
      const events = await peerEvents(east);
      const notes = events.flatMap(({ reason: why, note }) => (why === 'Revoked' && note !== undefined ? [note] : []));
      const all = notes.join('\n');
      if (all.includes(ended) && cut.test(all)) return all;
      throw new Error(all);
    });
    expect(told.split(ended)).toHaveLength(2);
    expect(told).not.toContain('(the peer)');
  });
});

describe('the chart’s rights', () => {
  it('are enough (nothing was forbidden) and none is idle: taking one away would turn this red', async () => {
    const { forbidden, idle } = await unusedGrants(lab, east);
    expect(forbidden).toEqual([]);
    expect(idle).toEqual([]);
  });
});
