import { describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { workloadIndex } from '#planner';
import { federation, localService, publicLabel, trustedPeer } from '#testing';
import { generateSigningKey } from '#trust';
import { caOf, now, ownUUID } from '../../../libs/trust/src/peer.fixture.js';
import { planReport } from './plan-report.js';
import type { Meeting } from './plan-report.js';
import { decidePublication } from './publication/decide.js';
import { signedSecrets } from './publication/documents.js';
import type { PublicationInput } from './publication/decide.js';
import type { KnownPeer } from './publication/standing.js';

const key = generateSigningKey();
const ring = { version: 1 as const, keys: [{ ...key, state: 'current' as const, chain: ['leaf'], announcedAt: 0 }] };
const own = { clusterUUID: ownUUID, clusterID: 'a-1', trustDomain: 'a.example', clusterDomain: 'a.example' };

function known(name: string, over: Partial<KnownPeer> = {}, spec: object = {}): KnownPeer {
  const domain = { trustDomain: `${name}.example`, clusterDomain: `${name}.example` };
  return {
    resource: federation({ ...domain, ...spec }, name),
    silentMs: 0,
    hosts: [],
    memory: {
      version: 1,
      facts: {
        ...domain,
        clusterUUID: `uuid-${name}`,
        roots: [caOf(`${name}.example`)['root-cert.pem']],
        keys: [],
        crls: [],
        signed: true,
        seq: 1,
      },
      firstContact: 'Blind',
      firstContactAt: 1,
      publicDocument: { seq: 1, fetchedAt: now, changedAt: now, digest: 'x' },
    },
    ...over,
  };
}

function input(peers: readonly KnownPeer[], over: Partial<PublicationInput> = {}): PublicationInput {
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
    signing: {
      identity: { ...own, networkName: 'n' },
      ring,
      roots: [caOf('a.example')['root-cert.pem']],
      crossCertificates: [],
      crls: [],
    },
    tlsCA: '',
    peers,
    offers: new Map(),
    services: [localService({ name: 'echo', namespace: 'demo', labels: { [publicLabel]: '' } })],
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

interface Report {
  readonly trust: readonly Readonly<Record<string, unknown>>[];
  readonly documents: readonly Readonly<Record<string, unknown>>[];
}

function report(
  given: PublicationInput,
  trusted: readonly string[] = [],
  faults: ReadonlyMap<string, string> = new Map(),
  met: ReadonlyMap<string, Meeting> = new Map(),
): Report {
  const verdict = decidePublication(given);
  const registry = { version: 1 as const, peers: trusted.map((name) => trustedPeer({ name })) };
  const outcome = { applied: [], pruned: [], unchanged: [] };
  const text = stringify(
    planReport({ input: given, verdict, registry, faults, met, desired: verdict.imports, outcome }),
  );
  expect(text).not.toMatch(/PRIVATE|eyJ/);
  return parse(text) as Report;
}

describe('what a plan says', () => {
  it('of trust: who gains and loses it, and why', () => {
    const silent = known('silent', { silentMs: 90_000 }, { stalePolicy: { mode: 'FailClosed', after: '1m' } });
    const { memory: _memory, ...unmet } = known('unmet');
    const twin = known('twin', { memory: { ...known('twin').memory!, firstContactAt: 2 } });
    const rival = { ...twin, memory: { ...twin.memory!, facts: { ...twin.memory!.facts, clusterUUID: 'uuid-new' } } };
    const damaged = { ...unmet, resource: federation({}, 'damaged'), unreadable: true };
    const { trust } = report(
      input([known('new'), known('old'), silent, unmet, rival, damaged]),
      ['old', 'silent', 'gone'],
      new Map([['federation/damaged', 'digest']]),
    );
    const lines = trust.map((line) => [line['peer'], line['trusted'], line['change'], line['why']]);
    expect(lines).toEqual([
      ['federation/new', true, 'begins', 'its first contact was Blind'],
      ['federation/old', true, 'none', 'its first contact was Blind'],
      ['federation/silent', false, 'ends', expect.stringContaining('FailedClosed')],
      ['federation/unmet', false, 'none', expect.stringContaining('to be met first')],
      ['federation/twin', false, 'none', expect.stringContaining('UUIDConflict: cluster UUID uuid-new belongs to')],
      ['federation/damaged', false, 'none', 'MemoryUnreadable: digest'],
      ['federation/gone', false, 'ends', expect.stringContaining('no valid resource')],
    ]);
    expect(trust[2]).toMatchObject({ silentSeconds: 90 });
  });

  it('of peers that were never met: what they said to this plan, and of no others', () => {
    const meeting = { publicDocument: 'taken', privateDocument: 'TokenRejected: 403' };
    const { trust } = report(
      input([known('new'), known('old')]),
      [],
      new Map(),
      new Map([['federation/new', meeting]]),
    );
    expect(trust.map(({ met }) => met)).toEqual([meeting, undefined]);
  });

  it('of documents: what each peer is told, and whether that is new to it', async () => {
    const first = input([known('b')]);
    const told = { gateways: ['198.51.100.1:15443'], services: ['echo.demo.svc.a.example http=80'] };
    expect(report(first).documents).toEqual([{ peer: 'federation/b', change: 'new', ...told }]);
    const liveDocuments = await signedSecrets(decidePublication(first).documents);
    const change = (given: PublicationInput): unknown => report(given).documents[0]?.['change'];
    expect(change({ ...first, liveDocuments })).toBe('none');
    expect(change({ ...first, liveDocuments, services: [] })).toBe('changed');
    expect(report(input([], { liveDocuments })).documents).toEqual([{ peer: 'federation/b', change: 'removed' }]);
  });
});
