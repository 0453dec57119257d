import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { IstioMulticluster } from '#crd';
import type { KubernetesObject, Secret, ServiceEntry } from '#istio-api';
import { annotations, documentSecretName, peerKey, trustRegistryIn, wayOutRegistryIn } from '#model';
import { workloadIndex } from '#planner';
import { decodeFederationDocument } from '#protocol';
import { federation, localService, publicLabel } from '#testing';
import { generateSigningKey } from '#trust';
import type { PeerMemory } from '#trust';
import { caOf, keyChainFor, now, ownUUID } from '../../../../libs/trust/src/peer.fixture.js';
import { secretsFor, textOf } from '../shards.js';
import { allocatedAddresses, decidePublication } from './decide.js';
import { signedSecrets } from './documents.js';
import type { DocumentDraft } from './documents.js';
import type { HeardOffer } from './admitted-offer.js';
import type { PublicationInput } from './decide.js';
import { heldPeer } from './held.js';
import type { KnownPeer } from './standing.js';

const key = generateSigningKey();
const signing: PublicationInput['signing'] = {
  identity: {
    clusterUUID: ownUUID,
    clusterID: 'a-1',
    trustDomain: 'a.example',
    clusterDomain: 'a.example',
    networkName: 'n',
  },
  ring: { version: 1, keys: [{ ...key, state: 'current', chain: ['leaf'], announcedAt: 0, currentSince: 0 }] },
  roots: [caOf('a.example')['root-cert.pem']],
  crossCertificates: [],
  crls: [],
};

function known(
  name: string,
  over: { readonly uuid?: string; readonly since?: number; readonly spec?: object; readonly silentMs?: number } = {},
): KnownPeer {
  const memory: PeerMemory = {
    version: 1,
    facts: {
      clusterUUID: over.uuid ?? `uuid-${name}`,
      trustDomain: `${name}.example`,
      clusterDomain: `${name}.example`,
      roots: [caOf(`${name}.example`)['root-cert.pem']],
      keys: [],
      crls: [],
      signed: true,
      seq: 1,
    },
    firstContact: 'Blind',
    firstContactAt: over.since ?? 1,
    publicDocument: { seq: 1, fetchedAt: now, changedAt: now, digest: 'x' },
  };
  return {
    resource: federation(over.spec, name),
    memory,
    silentMs: over.silentMs ?? 0,
    hosts: [`echo.demo.svc.${name}.example`],
  };
}

function offer(name: string, hosts = [`echo.demo.svc.${name}.example`]): readonly [string, HeardOffer] {
  const services = hosts.map((hostname) => ({ hostname, ports: [{ name: 'http', port: 80 }] }));
  return [
    peerKey({ kind: 'IstioFederation', name }),
    { services, gateways: [{ address: '192.0.2.1', port: 15443, addresses: ['192.0.2.1'] }], findings: [] },
  ];
}

const shared = localService({ name: 'echo', namespace: 'demo', labels: { [publicLabel]: '' } });
const hidden = localService({ name: 'hidden', namespace: 'demo', labels: {} });

function input(over: Partial<PublicationInput> = {}): PublicationInput {
  return {
    now,
    mesh: {
      trustDomain: 'a.example',
      clusterDomain: 'a.example',
      importsNamespace: 'imports',
      releaseNamespace: 'release',
      rootNamespace: 'istio-system',
    },
    peersNamespace: 'peers',
    label: publicLabel,
    signing,
    tlsCA: '',
    peers: [known('b'), known('c')],
    offers: new Map([offer('b'), offer('c')]),
    services: [shared, hidden],
    workloads: workloadIndex([], 'a.example'),
    plainText: () => [],
    gateways: { addresses: [{ address: '198.51.100.1', port: 15443 }], findings: [] },
    virtualAddresses: [],
    liveImports: [],
    liveDocuments: [],
    trustUnscoped: false,
    ...over,
  };
}

async function documentOf(documents: readonly DocumentDraft[], peer: string): Promise<readonly string[]> {
  const secrets = await signedSecrets(documents);
  const mine = secrets.filter(({ metadata }) => metadata?.name?.startsWith(`isthmus-document-federation-${peer}`));
  const decoded = decodeFederationDocument(textOf((shard) => mine[shard]) ?? '');
  return decoded.ok ? decoded.value.publicServices.map(({ hostname }) => hostname) : ['not readable'];
}

const hosts = (verdict: ReturnType<typeof decidePublication>): readonly string[] =>
  verdict.imports.filter(({ kind }) => kind === 'ServiceEntry').map(({ metadata }) => metadata?.name ?? '');

const byName = (x: KubernetesObject, y: KubernetesObject): number =>
  `${x.kind}/${x.metadata?.name}` < `${y.kind}/${y.metadata?.name}` ? -1 : 1;

describe('one publication pass', () => {
  it('imports what trusted peers offer and offers each what it may see', async () => {
    const verdict = decidePublication(input({ peers: [known('b', { spec: { exports: { hosts: [] } } }), known('c')] }));
    expect(hosts(verdict)).toEqual(['echo.demo.svc.b.example', 'echo.demo.svc.c.example']);
    expect(await documentOf(verdict.documents, 'b')).toEqual([]);
    expect(await documentOf(verdict.documents, 'c')).toEqual(['echo.demo.svc.a.example']);
    expect(verdict.audiences).toEqual(
      new Map([
        ['federation/b', 'uuid-b'],
        ['federation/c', 'uuid-c'],
      ]),
    );
  });

  it('gives nothing to, and takes nothing from, a peer that claims another’s UUID', () => {
    const verdict = decidePublication(
      input({ peers: [known('b', { since: 1 }), known('c', { uuid: 'uuid-b', since: 2 })] }),
    );
    expect(hosts(verdict)).toEqual(['echo.demo.svc.b.example']);
    expect(verdict.documents).toHaveLength(1);
    expect([...verdict.audiences.keys()]).toEqual(['federation/b']);
    const registry = trustRegistryIn(verdict.trustSecret.data);
    expect(registry?.peers.map(({ name }) => name)).toEqual(['b']);
    expect(verdict.perPeer.get('federation/c')).toMatchObject({
      trusted: false,
      imported: 0,
      findings: [{ reason: 'UUIDConflict' }],
    });
  });

  it('tells of a peer whether its offer was known already: nothing imported of one that was not heard is no success', () => {
    const heardOf = (peer: KnownPeer): unknown =>
      decidePublication(input({ peers: [peer] })).perPeer.get('federation/b')?.heard;
    const peer = known('b');
    const document = { seq: 1, fetchedAt: now, changedAt: now, digest: 'x', body: '{}' };
    expect(heardOf(peer)).toBe(false);
    expect(heardOf({ ...peer, memory: { ...peer.memory!, privateDocument: document } })).toBe(true);
  });

  it('withdraws a silent peer as its policy says, and nobody else', () => {
    const failClosed = known('b', { spec: { stalePolicy: { mode: 'FailClosed', after: '10s' } }, silentMs: 11_000 });
    const verdict = decidePublication(input({ peers: [failClosed, known('c', { silentMs: 11_000 })] }));
    expect(hosts(verdict)).toEqual(['echo.demo.svc.c.example']);
    expect(verdict.perPeer.get('federation/b')).toMatchObject({ trusted: false });
  });

  it.each<[string, number, readonly string[], number | undefined]>([
    ['that are valid', 60_000, ['list'], 30_000],
    ['that end within half a minute', 30_000, [], undefined],
    ['that have run out', -1, [], undefined],
  ])('hands on revocation lists %s, no others, and looks again before they end', (_which, forMs, handedOn, lookMs) => {
    const { memory, ...peer } = known('b');
    if (memory === undefined) throw new Error('nothing is remembered');
    const facts = { ...memory.facts, crls: ['list'], crlsUntil: now + forMs };
    const verdict = decidePublication(input({ peers: [{ ...peer, memory: { ...memory, facts } }] }));
    expect(trustRegistryIn(verdict.trustSecret.data)?.peers.map(({ crls }) => crls)).toEqual([handedOn]);
    expect(verdict.nextLookMs).toBe(lookMs ?? 60_000);
    expect(hosts(verdict)).toEqual(['echo.demo.svc.b.example']);
  });

  it('withdraws a silent peer whose lists have run out where its policy says FailClosed, keeps it where it does not', () => {
    const silent = (name: string, spec: object): KnownPeer => {
      const { memory, ...peer } = known(name, { spec, silentMs: 11_000 });
      if (memory === undefined) throw new Error('nothing is remembered');
      return { ...peer, memory: { ...memory, facts: { ...memory.facts, crls: ['list'], crlsUntil: now - 1 } } };
    };
    const closed = silent('b', { stalePolicy: { mode: 'FailClosed', after: '10s' } });
    const verdict = decidePublication(input({ peers: [closed, silent('c', {})] }));
    const { peers } = trustRegistryIn(verdict.trustSecret.data) ?? { peers: [] };
    expect(peers.map(({ name, crls }) => [name, crls])).toEqual([['c', []]]);
    expect(verdict.perPeer.get('federation/b')).toMatchObject({ trusted: false, trustWithdrawn: true });
  });

  it('withdraws the services of a peer whose private document ended, but not the trust by which a newer one is asked for', () => {
    const spec = { stalePolicy: { mode: 'FailClosed', after: '10s' } };
    const peer = { ...known('b', { spec }), contentSilentMs: 11_000 };
    const verdict = decidePublication(input({ peers: [peer, known('c')] }));
    expect(verdict.perPeer.get('federation/b')).toMatchObject({ trusted: true, withdrawn: 1 });
    expect(verdict.audiences.has('federation/b')).toBe(true);
  });

  it('goes on with an empty exportTo that an earlier release stored: seen everywhere, and told with the remedy', () => {
    const peers = [known('b', { spec: { imports: { exportTo: [] } } })];
    const verdict = decidePublication(input({ peers, offers: new Map([offer('b')]) }));
    expect(verdict.imports.map((object) => (object as ServiceEntry).spec?.exportTo)).toEqual([['*'], ['*']]);
    expect(verdict.perPeer.get('federation/b')?.findings).toEqual([
      expect.objectContaining({
        reason: 'SpecInvalid',
        subject: 'spec.imports.exportTo',
        message: expect.stringContaining('leave it out for all of them'),
      }),
    ]);
  });

  it('looks again when a document ends', () => {
    const peers = [{ ...known('b'), endsInMs: 7_000 }, known('c')];
    expect(decidePublication(input({ peers })).nextLookMs).toBe(7_000);
  });

  it('tells a peer on our network of plain text that goes around what is shared with it, and no other', () => {
    const { networkName } = signing.identity;
    const at = (name: string, network: string): KnownPeer => {
      const { memory, ...peer } = known(name);
      if (memory === undefined) throw new Error('nothing is remembered');
      return { ...peer, memory: { ...memory, facts: { ...memory.facts, networkName: network } } };
    };
    const peers = [at('b', networkName), at('c', 'elsewhere')];
    const { perPeer } = decidePublication(input({ peers, plainText: () => ['demo'] }));
    const reasons = peers.map(({ resource }) =>
      perPeer.get(`federation/${resource.metadata.name}`)?.exportFindings.map(({ reason }) => reason),
    );
    expect(reasons).toEqual([
      expect.arrayContaining(['PlainTextReachable']),
      expect.not.arrayContaining(['PlainTextReachable']),
    ]);
  });

  it('lets a resource under deletion go', () => {
    const peer = known('b');
    const leaving = {
      ...peer,
      resource: {
        ...peer.resource,
        metadata: { ...peer.resource.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
      },
    };
    expect(hosts(decidePublication(input({ peers: [leaving] })))).toEqual([]);
  });

  it('takes nothing from, and gives nothing to, a peer whose trust the operator withdrew', async () => {
    const verdict = decidePublication(input({ peers: [known('b', { spec: { revoked: true } }), known('c')] }));
    expect(verdict.registry.peers.map(({ name }) => name)).toEqual(['c']);
    expect(verdict.imports.some(({ metadata }) => JSON.stringify(metadata).includes('b.example'))).toBe(false);
    expect(await documentOf(verdict.documents, 'b')).toEqual(['not readable']);
    expect(verdict.perPeer.get('IstioFederation/b') ?? verdict.perPeer.get('federation/b')).toMatchObject({
      trusted: false,
    });
  });

  it('keeps a document while nothing asks for a new one; content, key and age do, and the sequence grows', async () => {
    const pass = (over: Partial<PublicationInput>): Promise<readonly Secret[]> =>
      signedSecrets(decidePublication(input(over)).documents);
    const liveDocuments = await pass({});
    expect(await pass({ liveDocuments, now: now + 60_000 })).toEqual(liveDocuments);
    const seq = (secrets: readonly Secret[]): number =>
      Number(secrets[0]?.metadata?.annotations?.[annotations.sequence]);
    expect(seq(await pass({ liveDocuments, now: now + 21 * 60_000 }))).toBeGreaterThan(seq(liveDocuments));
    expect(seq(await pass({ liveDocuments, services: [], now: now - 60_000 }))).toBe(seq(liveDocuments) + 1);
    const rotated = generateSigningKey();
    const ring = {
      version: 1 as const,
      keys: [{ ...rotated, state: 'current' as const, chain: ['leaf'], announcedAt: 0 }],
    };
    expect(await pass({ liveDocuments, signing: { ...signing, ring } })).not.toEqual(liveDocuments);
  });

  it('tells a stock istiod of trusted peers’ roots, and of no certificate that is no authority; our own mesh core of none', () => {
    expect(decidePublication(input()).caCertificates).toBeUndefined();
    const leaf = keyChainFor(key, caOf('c.example'), 'c.example')[0] ?? '';
    const odd = known('c');
    const peers = [
      known('b'),
      { ...odd, ...(odd.memory && { memory: { ...odd.memory, facts: { ...odd.memory.facts, roots: [leaf] } } }) },
      known('d', { spec: { stalePolicy: { mode: 'FailClosed', after: '10s' } }, silentMs: 11_000 }),
    ];
    expect(decidePublication(input({ peers, trustUnscoped: true })).caCertificates).toEqual([
      { pem: peers[0]?.memory?.facts.roots[0], trustDomains: ['b.example'] },
    ]);
  });

  it('is the same for shuffled input', () => {
    const straight = decidePublication(input());
    const turned = decidePublication(
      input({
        peers: [known('c'), known('b')].map((peer) => peer),
        services: [hidden, shared],
        offers: new Map([offer('c'), offer('b')]),
      }),
    );
    const lean = (verdict: typeof straight): string =>
      JSON.stringify([verdict.imports, verdict.policies, verdict.gateway, verdict.virtualAddresses]);
    expect(lean(turned)).toBe(lean(straight));
  });
});

describe('the virtual address of an import', () => {
  const entries = (verdict: ReturnType<typeof decidePublication>): readonly ServiceEntry[] =>
    verdict.imports.filter(({ kind }) => kind === 'ServiceEntry') as readonly ServiceEntry[];
  const told = ({ metadata }: ServiceEntry): string | undefined => metadata?.annotations?.[annotations.virtualAddress];

  it('stands on the entry as it will in its status', () => {
    const verdict = decidePublication(input());
    expect(entries(verdict).length).toBeGreaterThan(0);
    expect(entries(verdict).map(told)).toEqual(verdict.virtualAddresses.map(({ address }) => address));
  });

  it('is kept by either: a backup may have left status out', () => {
    const [first] = entries(decidePublication(input()));
    if (first === undefined) throw new Error('nothing is imported');
    const address = '240.240.7.7';
    const marked = {
      ...first,
      metadata: { ...first.metadata, annotations: { [annotations.virtualAddress]: address } },
    };
    const bare = {
      ...marked,
      metadata: { ...first.metadata, annotations: {} },
      status: { addresses: [{ value: address }] },
    };
    for (const live of [marked, bare]) {
      const verdict = decidePublication(input({ virtualAddresses: allocatedAddresses([live]) }));
      expect(entries(verdict).map(told)).toContain(address);
    }
  });
});

describe('a peer whose memory cannot be read', () => {
  const before = decidePublication(input());
  const entry = before.registry.peers.find(({ name }) => name === 'b');
  const inForce = {
    world: {
      secrets: {
        get: (_namespace?: string, name?: string) => (name === 'isthmus-trust' ? before.trustSecret : undefined),
      },
      serviceEntries: { list: () => before.imports.filter(({ kind }) => kind === 'ServiceEntry') },
      multiclusters: undefined,
    },
    config: { mesh: { releaseNamespace: 'release' } },
  } as unknown as Parameters<typeof heldPeer>[0];
  const held = ({ spec, silentMs = 0 }: { readonly spec?: object; readonly silentMs?: number } = {}): KnownPeer =>
    heldPeer(inForce, federation(spec, 'b'), silentMs);
  const pass = (peer: KnownPeer, over: Partial<PublicationInput> = {}): ReturnType<typeof decidePublication> =>
    decidePublication(
      input({
        peers: [peer, known('c')],
        offers: new Map([offer('b', []), offer('c')]),
        liveImports: before.imports.map((object) => ({
          ...object,
          metadata: { ...object.metadata, uid: 'u', resourceVersion: '1' },
        })),
        ...over,
      }),
    );

  it('keeps its trust, its document and its imports as they stand; other peers go on', () => {
    const after = pass(held());
    expect(after.registry.peers.find(({ name }) => name === 'b')).toEqual(entry);
    expect([...after.imports].sort(byName)).toEqual([...before.imports].sort(byName));
    expect(after.virtualAddresses).toEqual(before.virtualAddresses);
    expect(after.documents).toHaveLength(2);
    expect(after.perPeer.get('federation/b')).toMatchObject({
      ...{ trusted: true, heard: true, imported: 1, held: true },
    });
    expect(hosts(pass(held(), { offers: new Map([offer('c', [])]) }))).toEqual(['echo.demo.svc.b.example']);
  });

  it('keeps its imports even when the trust registry does not know it', () => {
    const { memory: _memory, ...unknown } = held();
    const after = pass(unknown);
    expect(hosts(after)).toContain('echo.demo.svc.b.example');
    expect(after.registry.peers.map(({ name }) => name)).toEqual(['c']);
  });

  it('is the first who showed what it showed: nobody takes its place meanwhile', () => {
    const after = pass(held(), { peers: [held(), known('c', { uuid: 'uuid-b', since: 1 })] });
    expect(after.registry.peers.map(({ name }) => name)).toEqual(['b']);
  });

  it('still follows its stalePolicy, and goes when its resource does', () => {
    const drain = { spec: { stalePolicy: { mode: 'DrainAfter', after: '10s' } }, silentMs: 11_000 };
    const entries = pass(held(drain)).imports.filter(({ kind }) => kind === 'ServiceEntry') as readonly ServiceEntry[];
    expect(entries.map(({ spec }) => spec?.endpoints?.length)).toEqual([1, 0]);
    const closed = { spec: { stalePolicy: { mode: 'FailClosed', after: '10s' } }, silentMs: 11_000 };
    expect(hosts(pass(held(closed)))).toEqual(['echo.demo.svc.c.example']);
    const peer = held();
    const metadata = { ...peer.resource.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' };
    const leaving = { ...peer, resource: { ...peer.resource, metadata } as KnownPeer['resource'] };
    expect(hosts(pass(leaving))).toEqual(['echo.demo.svc.c.example']);
  });
});

describe('trust in many peers', () => {
  const withLists = (name: string, bytes: number): KnownPeer => {
    const peer = known(name);
    const { memory } = peer;
    const crls = [randomBytes(Math.ceil((bytes * 3) / 4)).toString('base64')];
    return memory === undefined
      ? peer
      : { ...peer, memory: { ...memory, facts: { ...memory.facts, crls, crlsUntil: now + 60_000 } } };
  };
  const trustedIn = (peers: readonly KnownPeer[]): readonly string[] => {
    const verdict = decidePublication(input({ peers, offers: new Map() }));
    const data = verdict.trustSecret.data ?? {};
    const bytes = Object.values(data).reduce((sum, value) => sum + Buffer.from(value, 'base64').length, 0);
    expect(bytes).toBeLessThan(1024 * 1024);
    const names = trustRegistryIn(data)?.peers.map(({ name }) => name) ?? [];
    for (const { resource } of peers) {
      const { name } = resource.metadata;
      const told = verdict.perPeer.get(`federation/${name}`)?.findings.map(({ reason }) => reason);
      expect([name, told]).toEqual([name, names.includes(name) ? [] : ['TrustTooLarge']]);
      expect(verdict.audiences.has(`federation/${name}`)).toBe(names.includes(name));
    }
    return names;
  };

  it('always fits its Secret: the largest are left out and told, the others go on', () => {
    expect(trustedIn([withLists('b', 400_000), withLists('c', 460_000), withLists('d', 470_000), known('e')])).toEqual([
      'b',
      'c',
      'e',
    ]);
    expect(trustedIn([withLists('b', 600_000), known('c')])).toEqual(['c']);
    expect(trustedIn([withLists('b', 250_000), withLists('c', 250_000), known('d')])).toEqual(['b', 'c', 'd']);
  });
});

describe('many peers at the way out', () => {
  const content = { ingressGateways: [], apiHost: 'api.example', networkName: 'n' };
  const told = (name: string, bytes: number): KnownPeer => {
    const { memory, ...peer } = known(name);
    if (memory === undefined) return peer;
    const tlsCA = randomBytes(Math.ceil((bytes * 3) / 4)).toString('base64');
    const privateDocument = { ...memory.publicDocument, body: JSON.stringify(content) };
    const resource = {
      apiVersion: 'isthmus.dev/v1alpha1',
      kind: 'IstioMulticluster',
      metadata: { name },
      spec: { metadataEndpoint: `https://${name}.example`, enableIngressGateway: true, sharedTrustDomain: false },
    } as IstioMulticluster;
    return { ...peer, resource, memory: { ...memory, facts: { ...memory.facts, tlsCA }, privateDocument } };
  };

  it('always fit their Secret: the largest is left out and told, the others go on', () => {
    const peers = [told('b', 2_000), told('c', 1_400_000), told('d', 300_000)];
    const remote = {
      ...{ wayOutUrl: '', wayOutCa: 'pem', credentials: new Map(), apiHost: '', ownNetwork: 'n' },
      ownAddresses: ['10.0.0.1'],
    };
    const verdict = decidePublication(input({ peers, offers: new Map(), remote }));
    const data = verdict.remote?.wayOut.data;
    expect(wayOutRegistryIn(data)?.peers.map(({ name }) => name)).toEqual(['b', 'd']);
    expect(Object.values(data ?? {}).reduce((sum, value) => sum + value.length, 0)).toBeLessThan(1_300_000);
    const findings = (name: string): unknown => verdict.perPeer.get(`multicluster/${name}`)?.findings;
    expect([findings('b'), findings('d')]).toEqual([[], []]);
    expect(findings('c')).toEqual([expect.objectContaining({ reason: 'TrustTooLarge', subject: 'apiHost' })]);
    expect(verdict.perPeer.get('multicluster/c')?.trusted).toBe(true);
  });
});

describe('how a multicluster peer’s pods are reached', () => {
  const gateway = { address: 'gw.b.example', port: 15443 };
  const refusal = { reason: 'AddressRefused', subject: 'gw.b.example:15443', message: '' } as const;
  const place = { network: 'net-b', clusterID: 'b' };
  const standing = (over: { readonly networkName?: string; readonly enableIngressGateway?: boolean }): KnownPeer => {
    const { memory, ...peer } = known('b');
    const { enableIngressGateway = true, networkName = 'net-b' } = over;
    const body = JSON.stringify({ ingressGateways: [gateway], apiHost: 'api.b.example', networkName });
    const resource = {
      apiVersion: 'isthmus.dev/v1alpha1',
      kind: 'IstioMulticluster',
      metadata: { name: 'b' },
      spec: { metadataEndpoint: 'https://b.example', enableIngressGateway, sharedTrustDomain: false },
    } as IstioMulticluster;
    if (memory === undefined) return peer;
    return { ...peer, resource, memory: { ...memory, privateDocument: { ...memory.publicDocument, body } } };
  };
  const heard = (over: Partial<HeardOffer>): HeardOffer => ({ services: [], gateways: [], findings: [], ...over });

  it.each([
    ['on our own network: directly', { networkName: 'n' }, {}, []],
    ['without gateways: directly', { enableIngressGateway: false }, {}, [place]],
    [
      'by its gateways',
      {},
      { gateways: [{ ...gateway, addresses: ['192.0.2.1'] }] },
      [{ ...place, gateways: [gateway], pending: false }],
    ],
    ['by those of before, while names are looked up', {}, {}, [{ ...place, gateways: [], pending: true }]],
    ['by none, where they are refused', {}, { findings: [refusal] }, [{ ...place, gateways: [], pending: false }]],
    [
      'a refused API server is no refused gateway',
      {},
      { findings: [{ ...refusal, subject: 'apiHost' }] },
      [{ ...place, gateways: [], pending: true }],
    ],
  ])('%s', (_title, over, offered: Partial<HeardOffer>, expected) => {
    const remote = {
      ...{ wayOutUrl: '', wayOutCa: 'pem', credentials: new Map(), apiHost: '', ownNetwork: 'n' },
      ownAddresses: [],
    };
    const offers = new Map([['multicluster/b', heard(offered)]]);
    expect(decidePublication(input({ peers: [standing(over)], offers, remote })).remote?.networks).toEqual(expected);
  });
});

describe('a document whose writing was cut short', () => {
  it('is written anew, with a greater sequence than any part of it had', async () => {
    const [first] = await signedSecrets(decidePublication(input({ peers: [known('b')] })).documents);
    const shardOf = (name: string, digest: string, seq: number): Secret => ({
      ...first,
      metadata: {
        ...first?.metadata,
        name,
        annotations: {
          ...first?.metadata?.annotations,
          [annotations.shards]: '2',
          [annotations.digest]: digest,
          [annotations.sequence]: String(seq),
        },
      },
    });
    const name = documentSecretName({ kind: 'IstioFederation', name: 'b' }, 1);
    const torn = [shardOf(first?.metadata?.name ?? '', 'new', now), shardOf(name, 'old', now + 5)];
    for (const liveDocuments of [torn, torn.slice(0, 1)]) {
      const { documents } = decidePublication(input({ peers: [known('b')], liveDocuments }));
      expect(await documentOf(documents, 'b')).toEqual(['echo.demo.svc.a.example']);
      const last = Math.max(
        ...liveDocuments.map(({ metadata }) => Number(metadata?.annotations?.[annotations.sequence])),
      );
      const [written] = await signedSecrets(documents);
      expect(Number(written?.metadata?.annotations?.[annotations.sequence])).toBeGreaterThan(last);
    }
  });
});

describe('sharded Secrets', () => {
  it('carry large documents in several, and tell a missing one', () => {
    // Random bytes do not compress: a megabyte of them needs more than one Secret.
    const big = randomBytes(1024 * 1024).toString('base64');
    const secrets = secretsFor({
      namespace: 'n',
      nameOf: (shard) => `s-${shard}`,
      text: big,
      labels: {},
      annotations: {},
    });
    expect(secrets.length).toBeGreaterThan(1);
    expect(textOf((shard) => secrets[shard]) === big).toBe(true);
    expect(() => textOf((shard) => (shard === 1 ? undefined : secrets[shard]))).toThrow('missing');
    expect(textOf(() => undefined)).toBeUndefined();
  });
});
