import { describe, expect, it } from '@jest/globals';
import { conditionTableOf } from '#crd';
import type { FederationSpec } from '#crd';
import { failed } from '#peer-client';
import { encodeFederationDocument, encodePublicDocument } from '#protocol';
import { expectConditions, federation } from '#testing';
import { authorityOf, generateSigningKey } from '#trust';
import type { PeerMemory } from '#trust';
import {
  SigningPeer,
  caOf,
  keyPin,
  now,
  ownUUID,
  peerUUID,
  rootPin,
  signPrivateDocument,
} from '../../../../libs/trust/src/peer.fixture.js';
import { provenInDocuments } from '../../../../libs/trust/src/jws.fixture.js';
import type { PeerDocument } from '../../../../libs/trust/src/peer.fixture.js';
import { heardFailure, heardNothingNew, nothingHeard } from '../peer-link/hearing.js';
import type { Hearing } from '../peer-link/hearing.js';
import type { PeerPublication } from '../publication/peer-publication.js';
import { decideFederation } from './decide.js';
import type { FederationInput } from './decide.js';
import { federationStatus } from './status.js';

const peer = new SigningPeer();
const ports = [{ name: 'http', port: 80 }];
const published: PeerPublication = {
  trusted: true,
  trustWithdrawn: false,
  heard: true,
  imported: 1,
  exported: 0,
  findings: [],
  exportFindings: [],
  withdrawn: 0,
};

function services(count: number): { hostname: string; ports: typeof ports }[] {
  return Array.from({ length: count }, (_unused, index) => ({ hostname: `s${index}.demo.svc.b.example`, ports }));
}

function publicHearing(document: PeerDocument = peer.document(), at = now): Hearing {
  return { mode: 'stream', lastContact: at, publicDocument: { body: encodePublicDocument(document), at } };
}

interface Private {
  readonly count?: number;
  readonly seq?: number;
  readonly audience?: string;
  readonly signer?: SigningPeer['key'];
  readonly at?: number;
}

function privateBody({ count = 1, seq = 2000, audience = ownUUID, signer = peer.key, at = now }: Private = {}): string {
  const content = { ingressGateways: [{ address: '192.0.2.1', port: 15443 }], publicServices: services(count) };
  const signed = signPrivateDocument(
    content,
    { clusterUUID: peerUUID, audience },
    { seq, now: at, lifetimeSeconds: 3600 },
    signer,
  );
  return encodeFederationDocument({ ...content, signed });
}

function withPrivate(hearing: Hearing, body = privateBody(), at = now): Hearing {
  return { ...hearing, privateDocument: { body, at } };
}

/** Who made the signatures of what was heard: every key that these specs know is tried. */
function provenIn({ publicDocument, privateDocument }: Hearing): FederationInput['proven'] {
  const bodies = [publicDocument, privateDocument].flatMap((document) => document?.body ?? []);
  return provenInDocuments(bodies, [peer.key.publicPem]);
}

function input(over: Partial<FederationInput> = {}, spec: Partial<FederationSpec> = {}): FederationInput {
  const resource = federation(spec);
  return {
    ref: { kind: 'IstioFederation', name: resource.metadata.name },
    metadata: resource.metadata,
    previous: undefined,
    resource,
    hearing: nothingHeard,
    proven: provenIn(over.hearing ?? nothingHeard),
    memory: undefined,
    publication: published,
    probes: [{ address: '192.0.2.1', port: 15443, reachable: true }],
    mesh: {
      trustDomain: 'a.example',
      clusterDomain: 'a.example',
      importsNamespace: 'i',
      releaseNamespace: 'r',
      rootNamespace: 'istio-system',
    },
    claimedRoots: new Map(),
    schemeEnabled: true,
    trustUnscoped: false,
    ownClusterUUID: ownUUID,
    now,
    ...over,
  };
}

/** What is remembered after one good look at public and private document. */
function remembered(count = 1): PeerMemory {
  const memory = decideFederation(input({ hearing: withPrivate(publicHearing(), privateBody({ count })) })).memory;
  if (memory?.privateDocument === undefined) throw new Error('the peer of these specs should be taken');
  return memory;
}

/** `Type=Status/Reason` of every condition. */
function conditionsOf(given: FederationInput): readonly string[] {
  const verdict = decideFederation(given);
  const status = federationStatus(given, verdict);
  const conditions = status.conditions ?? [];
  expectConditions(conditionTableOf('IstioFederation'), conditions as Parameters<typeof expectConditions>[1], 1);
  return conditions.map(({ type, status: value, reason }) => `${type}=${value}/${reason}`);
}

const other = new SigningPeer();
const stranger = generateSigningKey();
const down = failed('Unreachable', 'https://b: connection refused');

describe('what one look at an IstioFederation says', () => {
  it.each<[string, () => FederationInput, readonly string[]]>([
    ['nothing heard yet', () => input(), ['Ready=Unknown/Progressing', 'TrustEstablished=Unknown/Progressing']],
    [
      'unreachable from the start',
      () => input({ hearing: { mode: 'none', publicFailure: down } }),
      ['TrustEstablished=False/Unreachable'],
    ],
    [
      'blind first contact',
      () => input({ hearing: withPrivate(publicHearing()) }),
      [
        'Ready=True/Succeeded',
        'TrustEstablished=True/BlindFirstContact',
        'MetadataSynced=True/Succeeded',
        'GatewaysReachable=True/Succeeded',
      ],
    ],
    [
      'endpoint verified by a CA',
      () => input({ hearing: publicHearing() }, { metadata: { ca: 'pem', insecureSkipVerify: false } }),
      ['TrustEstablished=True/Succeeded'],
    ],
    [
      'pinned',
      () => input({ hearing: publicHearing() }, { pins: { roots: [rootPin(peer.ca)], keys: [keyPin(peer.key)] } }),
      ['TrustEstablished=True/Succeeded'],
    ],
    [
      'a pin that does not fit',
      () => input({ hearing: publicHearing() }, { pins: { roots: [rootPin(caOf('b.example'))] } }),
      ['Ready=False/PinMismatch', 'TrustEstablished=False/PinMismatch'],
    ],
    [
      'our own UUID',
      () => input({ hearing: publicHearing(peer.document({ clusterUUID: ownUUID })) }),
      ['TrustEstablished=False/UUIDConflict'],
    ],
    [
      'another trust domain than the resource says',
      () => input({ hearing: publicHearing(peer.document({ trustDomain: 'c.example' })) }),
      ['TrustEstablished=False/TrustDomainConflict'],
    ],
    [
      'garbage',
      () => input({ hearing: { mode: 'none', publicDocument: { body: '<html>', at: now } } }),
      ['TrustEstablished=False/DocumentInvalid'],
    ],
    [
      'a rolled-back sequence',
      () => input({ memory: remembered(), hearing: publicHearing(peer.document({ seq: 1 })) }),
      ['TrustEstablished=False/SignatureInvalid'],
    ],
    [
      'an expired document',
      () =>
        input({ memory: remembered(), hearing: publicHearing(peer.document({ now: now - 9e6, lifetimeSeconds: 60 })) }),
      ['TrustEstablished=False/SignatureInvalid'],
    ],
    [
      'a document from the future',
      () => input({ memory: remembered(), hearing: publicHearing(peer.document({ now: now + 9e6 })) }),
      ['TrustEstablished=False/ClockSkew'],
    ],
    [
      'no signature any more',
      () => input({ memory: remembered(), hearing: publicHearing(peer.legacyDocument()) }),
      ['TrustEstablished=False/SignatureInvalid'],
    ],
    [
      'a new key that nothing vouches for',
      () => input({ memory: remembered(), hearing: publicHearing(peer.document({ signer: stranger, seq: 1001 })) }),
      ['TrustEstablished=False/KeyChangedPendingApproval'],
    ],
    [
      'ownership refuses it',
      () =>
        input({
          memory: remembered(),
          publication: { ...published, trusted: false, findings: [{ reason: 'UUIDConflict', message: 'taken' }] },
        }),
      ['TrustEstablished=False/UUIDConflict', 'ServicesImported=False/FailedClosed'],
    ],
    [
      'a document made for another cluster',
      () =>
        input({
          memory: remembered(),
          hearing: withPrivate(publicHearing(), privateBody({ audience: 'cccc', seq: 2001 })),
        }),
      ['MetadataSynced=False/SignatureInvalid'],
    ],
    [
      'a private document by a strange key',
      () =>
        input({
          memory: remembered(),
          hearing: withPrivate(publicHearing(), privateBody({ signer: other.key, seq: 2001 })),
        }),
      ['MetadataSynced=False/SignatureInvalid'],
    ],
    [
      'silence after good times',
      () => input({ memory: remembered(), hearing: { ...publicHearing(), privateFailure: down } }),
      [
        'Ready=False/StaleKeepingLastKnownGood',
        'MetadataSynced=False/StaleKeepingLastKnownGood',
        'ServicesImported=True/Succeeded',
      ],
    ],
    [
      'our token refused',
      () =>
        input({
          memory: remembered(),
          hearing: { ...publicHearing(), privateFailure: failed('TokenRejected', '401', 401) },
        }),
      ['MetadataSynced=False/TokenRejected'],
    ],
    [
      'our token refused, clocks apart',
      () =>
        input({
          memory: remembered(),
          hearing: {
            mode: 'none',
            publicDocument: { body: encodePublicDocument(peer.document()), at: now, clockOffsetMs: 90_000 },
            privateFailure: failed('TokenRejected', '401', 401),
          },
        }),
      ['MetadataSynced=False/ClockSkew'],
    ],
    [
      'many services vanish at once',
      () =>
        input({ memory: remembered(20), hearing: withPrivate(publicHearing(), privateBody({ count: 2, seq: 2001 })) }),
      ['MetadataSynced=False/RemovalHeld'],
    ],
    [
      'endpoints withdrawn by policy',
      () => input({ memory: remembered(), hearing: publicHearing(), publication: { ...published, withdrawn: 1 } }),
      ['ServicesImported=False/Drained'],
    ],
    [
      'imports that do not stand yet',
      () => input({ memory: remembered(), hearing: publicHearing(), publication: published, pending: 1 }),
      ['Ready=Unknown/Progressing', 'ServicesImported=Unknown/Progressing'],
    ],
    [
      'judged by a pass that did not know yet what it offers',
      () =>
        input({
          hearing: withPrivate(publicHearing()),
          publication: { ...published, heard: false, imported: 0 },
        }),
      ['Ready=Unknown/Progressing', 'ServicesImported=Unknown/Progressing', 'ServicesExported=True/Succeeded'],
    ],
    [
      'an offer outside its domain',
      () =>
        input({
          memory: remembered(),
          hearing: publicHearing(),
          publication: { ...published, findings: [{ reason: 'DomainConflict', message: 'no' }] },
        }),
      ['ServicesImported=False/DomainConflict'],
    ],
    [
      'no mesh endpoints behind an export',
      () =>
        input({
          memory: remembered(),
          hearing: publicHearing(),
          publication: { ...published, exportFindings: [{ reason: 'NoMeshEndpoints', message: 'no' }] },
        }),
      ['Ready=True/Succeeded', 'ServicesExported=True/NoMeshEndpoints'],
    ],
    [
      'a mislabelled Service beside a gateway address that no peer can use',
      () =>
        input({
          memory: remembered(),
          hearing: publicHearing(),
          publication: {
            ...published,
            exportFindings: [
              { reason: 'PortUnnamed', message: 'no name' },
              { reason: 'AddressRefused', message: 'loopback' },
            ],
          },
        }),
      ['Ready=False/AddressRefused', 'ServicesExported=False/AddressRefused'],
    ],
    [
      'two Services on one port: a notice',
      () =>
        input({
          memory: remembered(),
          hearing: publicHearing(),
          publication: { ...published, exportFindings: [{ reason: 'SharedTargetPort', message: 'two' }] },
        }),
      ['Ready=True/Succeeded', 'ServicesExported=True/SharedTargetPort'],
    ],
    [
      'more gateways of ours than peers are told: a notice',
      () =>
        input({
          memory: remembered(),
          hearing: publicHearing(),
          publication: { ...published, exportFindings: [{ reason: 'TooManyGateways', message: '32 of 33' }] },
        }),
      ['Ready=True/Succeeded', 'ServicesExported=True/TooManyGateways'],
    ],
    [
      'a dead gateway',
      () =>
        input({
          memory: remembered(),
          hearing: publicHearing(),
          probes: [{ address: '192.0.2.1', port: 15443, reachable: false, message: 'refused' }],
        }),
      ['GatewaysReachable=False/Unreachable', 'ServicesImported=True/Succeeded'],
    ],
    [
      'a spec with faults',
      () => input({ resource: [{ field: 'spec.trustDomain', value: '!', message: 'wrong' }] }),
      ['Ready=False/SpecInvalid'],
    ],
    [
      'being deleted',
      () =>
        input({
          memory: remembered(),
          metadata: { ...federation().metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
        }),
      ['TrustEstablished=False/Terminating'],
    ],
  ])('%s', (_name, make, wanted) => {
    expect(conditionsOf(make())).toEqual(expect.arrayContaining([...wanted]));
  });
});

describe('times in status', () => {
  const documents = (given: FederationInput) => federationStatus(given, decideFederation(given)).documents;
  const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');

  it('tell when what was taken was last confirmed, not when it last changed', () => {
    const hearing = { ...withPrivate(publicHearing()), publicAt: now + 30_000, privateAt: now + 20_000 };
    const memory = decideFederation(input({ hearing })).memory;
    const changed = memory && { ...memory, publicDocument: { ...memory.publicDocument, changedAt: now - 5_000 } };
    expect(documents(input({ memory: changed, hearing }))).toMatchObject({
      public: { fetchedAt: iso(now + 30_000), changedAt: iso(now - 5_000) },
      private: { fetchedAt: iso(now + 20_000) },
    });
  });

  it('count no document as fetched that was refused', () => {
    const refused = publicHearing(peer.document({ signer: stranger, seq: 1001 }), now + 30_000);
    const hearing = { ...refused, publicAt: now + 30_000 };
    expect(documents(input({ memory: remembered(), hearing }))?.public?.fetchedAt).toBe(iso(now));
  });

  it('tell of attempts and silence, also before the first contact and over restarts', () => {
    const hearing = heardFailure(nothingHeard, 'public', down, now);
    const first = documents(input({ hearing }));
    expect(first).toEqual({ lastAttemptAt: iso(now), silentSince: iso(now) });
    const previous = { documents: { lastAttemptAt: iso(now - 10_000), silentSince: iso(now - 60_000) } };
    expect(documents(input({ previous }))).toEqual(previous.documents);
    expect(documents(input({ previous, hearing }))).toEqual({ ...first, silentSince: iso(now - 60_000) });
    const back = heardNothingNew(hearing, 'public', now + 1000);
    expect(documents(input({ previous, hearing: back }))).toEqual({ lastAttemptAt: iso(now + 1000) });
  });
});

describe('what is remembered', () => {
  it.each<[string, Hearing]>([
    ['garbage', { mode: 'stream', publicDocument: { body: '{}', at: now } }],
    ['a strange key', publicHearing(peer.document({ signer: stranger, seq: 1001 }))],
    [
      'a private document of another cluster',
      withPrivate(publicHearing(), privateBody({ audience: 'cccc', seq: 2001 })),
    ],
    ['a held removal', withPrivate(publicHearing(), privateBody({ count: 1, seq: 2001 }))],
  ])('stays as it was after %s', (_name, hearing) => {
    const memory = remembered(20);
    const after = decideFederation(input({ memory, hearing })).memory;
    expect(after?.privateDocument?.body).toBe(memory.privateDocument?.body);
    expect(after?.facts.keys).toEqual(memory.facts.keys);
  });

  it('lets the removal through that was held when it was accepted, and no later one', () => {
    const memory = remembered(20);
    const hearing = withPrivate(publicHearing(), privateBody({ count: 2, seq: 2001 }));
    const resource = federation();
    const metadata = { ...resource.metadata, annotations: { 'isthmus.dev/accept-removal': 'true' } };
    const accepted = { ...resource, metadata };
    const before = input({ memory, hearing });
    const previous = federationStatus(before, decideFederation(before));
    const release = decideFederation(input({ memory, hearing, previous, resource: accepted }));
    expect([release.removal, release.spentAnnotation]).toEqual([
      undefined,
      { name: 'isthmus.dev/accept-removal', value: 'true' },
    ]);
    const other = withPrivate(publicHearing(), privateBody({ count: 3, seq: 2002 }));
    for (const [heard, status] of [
      [other, previous],
      [hearing, undefined],
    ] as const) {
      const late = decideFederation(input({ memory, hearing: heard, previous: status, resource: accepted }));
      expect([late.removal?.removed.length !== undefined, late.spentAnnotation?.value]).toEqual([true, 'true']);
      expect(late.spentAnnotation?.idle?.note).toContain('released nothing: this document was not held yet');
    }
    const byDigest = { 'isthmus.dev/accept-removal': previous.removalHeld?.digest ?? '' };
    const named = { ...resource, metadata: { ...metadata, annotations: byDigest } };
    expect(decideFederation(input({ memory, hearing, resource: named })).removal).toBeUndefined();
    expect(decideFederation(input({ memory, hearing: other, resource: named }))).toMatchObject({
      removal: { kind: 'hold' },
    });
  });

  it.each<[string, from: number, imported: number, left: number, held: boolean]>([
    ['nine imported of forty vanish, and twenty more', 11, 9, 11, false],
    ['thirty vanish of which none is imported', 0, 10, 10, false],
    ['five of ten imported vanish', 30, 10, 35, false],
    ['six of ten imported vanish, few of forty offered', 30, 10, 34, true],
  ])('counts what is imported, not what is offered: %s', (_name, from, imported, left, held) => {
    const hosts = services(40)
      .slice(from, from + imported)
      .map(({ hostname }) => hostname);
    const hearing = withPrivate(publicHearing(), privateBody({ count: left, seq: 2001 }));
    const verdict = decideFederation(input({ memory: remembered(40), hearing }, { imports: { hosts } }));
    expect(verdict.removal !== undefined).toBe(held);
    expect(verdict.removal?.removed.length).toBe(held ? 6 : undefined);
  });

  it('lets a removal through after ten minutes, over restarts', () => {
    const memory = remembered(20);
    const hearing = withPrivate(publicHearing(), privateBody({ count: 2, seq: 2001 }));
    const since = new Date(now - 600_001).toISOString();
    const previous = { removalHeld: { since, until: since, services: 18 } };
    expect(decideFederation(input({ memory, hearing, previous })).removal).toBeUndefined();
    const restarted = input({ memory, previous });
    expect(federationStatus(restarted, decideFederation(restarted)).removalHeld).toEqual(previous.removalHeld);
  });

  it('is the same for the same input, twice', () => {
    const given = input({ hearing: withPrivate(publicHearing()) });
    expect(JSON.stringify(decideFederation(given))).toBe(JSON.stringify(decideFederation(given)));
  });
});

describe('what waits for approval', () => {
  const newRoot = caOf('b.example');
  const statusOf = (document: PeerDocument): ReturnType<typeof federationStatus> => {
    const given = input({ memory: remembered(), hearing: publicHearing(document) });
    return federationStatus(given, decideFederation(given));
  };

  it('a root stands in status.peer after those in use, as spec.pins would name it', () => {
    const roots = [peer.ca, newRoot].map((ca) => ca['root-cert.pem']);
    const said = statusOf(peer.document({ roots, seq: 1001 })).peer;
    expect(said?.roots?.map(({ fingerprint, state }) => [fingerprint, state])).toEqual([
      [rootPin(peer.ca), 'Trusted'],
      [rootPin(newRoot), 'PendingApproval'],
    ]);
    expect(said?.keys?.map(({ state }) => state)).toEqual(['Trusted']);
  });

  it('a key likewise, and the root that came with it', () => {
    const next = new SigningPeer();
    const roots = [peer.ca, next.ca].map((ca) => ca['root-cert.pem']);
    const said = statusOf(peer.document({ signer: stranger, roots, seq: 1001 })).peer;
    expect(said?.keys?.map(({ fingerprint, state }) => [fingerprint, state])).toEqual([
      [keyPin(peer.key), 'Trusted'],
      [keyPin(stranger), 'PendingApproval'],
    ]);
    expect(said?.roots?.map(({ fingerprint, state }) => [fingerprint, state])).toEqual([
      [rootPin(peer.ca), 'Trusted'],
      [rootPin(next.ca), 'PendingApproval'],
    ]);
  });

  it('is not told as cut when trust is withdrawn', () => {
    const previous = statusOf(peer.document({ roots: [peer.ca, newRoot].map((ca) => ca['root-cert.pem']), seq: 1001 }));
    const cut = input(
      { memory: remembered(), previous, publication: { ...published, trusted: false } },
      { revoked: true },
    );
    expect(federationStatus(cut, decideFederation(cut)).revocation?.roots).toEqual([rootPin(peer.ca)]);
  });
});

describe('what vouches for a peer', () => {
  const root = [rootPin(peer.ca)];
  const key = [keyPin(peer.key)];
  it.each<[string, FederationSpec['pins'], FederationSpec['pins'], RegExp]>([
    ['both pinned', { roots: root, keys: key }, { roots: root, keys: key }, /^root and key are pinned$/],
    ['the root alone', { roots: root }, { roots: root }, /^its root is pinned; a certificate under it/],
    ['the key alone', { keys: key }, { keys: key }, /^its signing key is pinned; that key signed its roots/],
    ['nothing any more', { keys: key }, undefined, /^pins vouched for it before; spec.pins names nothing now$/],
  ])('%s: it is said as it is', (_name, first, now, message) => {
    const met = decideFederation(input({ hearing: publicHearing() }, { pins: first })).memory;
    const given = input({ memory: met }, now === undefined ? {} : { pins: now });
    const conditions = federationStatus(given, decideFederation(given)).conditions ?? [];
    expect(conditions.find(({ type }) => type === 'TrustEstablished')?.message).toMatch(message);
  });

  it('a legacy peer of which one half is no longer pinned', () => {
    const hearing = publicHearing(peer.legacyDocument());
    const met = decideFederation(input({ hearing }, { pins: { roots: root, keys: key } })).memory;
    const given = input({ memory: met }, { pins: { keys: key } });
    const conditions = federationStatus(given, decideFederation(given)).conditions ?? [];
    expect(conditions.find(({ type }) => type === 'TrustEstablished')?.message).toBe(
      'pins vouched for it before; spec.pins names keys alone now',
    );
  });
});

describe('a peer for which nothing vouched', () => {
  const message = (document: PeerDocument, insecureSkipVerify: boolean): string | undefined => {
    const given = input({ hearing: publicHearing(document) }, { metadata: { insecureSkipVerify } });
    const told = federationStatus(given, decideFederation(given)).conditions;
    return told?.find(({ type, reason }) => type === 'TrustEstablished' && reason === 'BlindFirstContact')?.message;
  };

  it('that signs nothing, behind insecureSkipVerify: that it can be impersonated is said, with the remedy', () => {
    expect(message(peer.legacyDocument(), true)).toMatch(
      /in between can impersonate it\. Set metadata\.ca .* spec\.pins/,
    );
  });

  it('that signs, or whose endpoint is verified, is not said to be so', () => {
    for (const told of [message(peer.document(), true), message(peer.legacyDocument(), false)])
      expect(told).toMatch(/^trusted as it showed itself: neither pins nor metadata\.ca vouched for it\./);
  });
});

describe('what is judged again on every look', () => {
  const pins = (roots: readonly string[]): Partial<FederationSpec> => ({ pins: { roots: [...roots] } });
  const knownTo = (spec: Partial<FederationSpec>, over: Partial<FederationInput> = {}): readonly string[] =>
    conditionsOf(input({ memory: remembered(), hearing: withPrivate(publicHearing()), ...over }, spec));

  it('pins set after first contact: they vouch, or contradict while what was learnt goes on', () => {
    expect(knownTo({})).toContain('TrustEstablished=True/BlindFirstContact');
    expect(knownTo(pins([rootPin(peer.ca)]))).toContain('TrustEstablished=True/Succeeded');
    const known = remembered();
    const wrong = input({ memory: known, hearing: nothingHeard }, pins([`sha256:${'a'.repeat(64)}`]));
    expect(conditionsOf(wrong)).toContain('TrustEstablished=False/PinMismatch');
    expect(decideFederation(wrong).memory).toEqual(known);
  });

  it('pins that vouched once need not vouch for what came by continuity', () => {
    const pinned = decideFederation(input({ memory: remembered() }, pins([rootPin(peer.ca)]))).memory;
    const moved = pinned && { ...pinned, facts: { ...pinned.facts, roots: [caOf('c')['root-cert.pem']] } };
    expect(conditionsOf(input({ memory: moved }, pins([rootPin(peer.ca)])))).toContain(
      'TrustEstablished=True/Succeeded',
    );
  });

  it('a document that was taken is not refused for its age', () => {
    const later = now + 3 * 3_600_000;
    const conditions = knownTo({}, { now: later, hearing: { ...withPrivate(publicHearing()), privateFailure: down } });
    expect(conditions).toContain('TrustEstablished=True/BlindFirstContact');
    expect(conditions).toContain('MetadataSynced=False/StaleKeepingLastKnownGood');
  });

  describe('signed documents that ended while the peer answers without news', () => {
    const later = now + 60_000 + 31_000;
    const old = peer.document({ lifetimeSeconds: 60 });
    const heard = withPrivate(publicHearing(old));
    const memory = decideFederation(input({ hearing: heard })).memory;
    const times = { answersSince: now, publicAt: later, privateAt: later };
    const unchanged = { ...heard, ...times, lastContact: later };
    const look = (over: Partial<FederationInput> = {}): FederationInput =>
      input({ memory, now: later, hearing: unchanged, ...over });

    it('are stale: said with the reason, and as silence from their end', () => {
      expect(conditionsOf(look())).toEqual(
        expect.arrayContaining([
          'Ready=False/StaleKeepingLastKnownGood',
          'TrustEstablished=True/BlindFirstContact',
          'MetadataSynced=False/StaleKeepingLastKnownGood',
        ]),
      );
      const status = federationStatus(look(), decideFederation(look()));
      const synced = status.conditions?.find(({ type }) => type === 'MetadataSynced');
      expect(synced?.message).toMatch(/public document ended \d+ s ago and no newer one has come/);
      expect(status.documents?.silentSince).toBe(
        new Date(memory?.facts.expiresAt ?? 0).toISOString().replace('.000', ''),
      );
    });

    it('are so for a process that is shown the old ones anew: no word of a wrong signature', () => {
      const again = withPrivate(publicHearing(old, later), privateBody(), later);
      const conditions = conditionsOf(look({ hearing: { ...again, ...times } }));
      expect(conditions).toContain('TrustEstablished=True/BlindFirstContact');
      expect(conditions).toContain('MetadataSynced=False/StaleKeepingLastKnownGood');
    });

    it('are told so by the next leader from the first, and by one to whom nothing was told only once it has listened', () => {
      const previous = federationStatus(look(), decideFederation(look()));
      const begun = { ...unchanged, answersSince: later };
      expect(conditionsOf(look({ previous, hearing: begun }))).toContain(
        'MetadataSynced=False/StaleKeepingLastKnownGood',
      );
      const first = look({ hearing: begun });
      expect(conditionsOf(first)).toContain('MetadataSynced=True/Succeeded');
      expect(federationStatus(first, decideFederation(first)).documents?.silentSince).toBeUndefined();
    });

    it('are remembered with their end', () => {
      const ends = [memory?.facts.expiresAt, memory?.privateDocument?.expiresAt];
      expect(ends).toEqual([now + 60_000, now + 3_600_000]);
    });

    it('have not ended while newer ones wait for an approval: the peer is not stale, what waits is named', () => {
      const document = peer.document({ signer: stranger, seq: 1001, now: later });
      const body = privateBody({ seq: 2001, at: later, signer: stranger });
      const hearing = {
        ...withPrivate(publicHearing(document, later), body, later),
        publicAt: later,
        privateAt: later,
      };
      const waits = look({ hearing });
      expect(conditionsOf(waits)).toContain('TrustEstablished=False/KeyChangedPendingApproval');
      expect(conditionsOf(waits)).toContain('MetadataSynced=False/KeyChangedPendingApproval');
      expect(federationStatus(waits, decideFederation(waits)).documents?.silentSince).toBeUndefined();
    });

    it('have ended where what the peer shows in their place is refused, which is told', () => {
      const hearing = {
        ...withPrivate(publicHearing(peer.legacyDocument(), later)),
        ...times,
      };
      const refuses = look({ hearing });
      expect(conditionsOf(refuses)).toContain('MetadataSynced=False/StaleKeepingLastKnownGood');
      const { conditions } = federationStatus(refuses, decideFederation(refuses));
      const message = conditions?.find(({ type }) => type === 'MetadataSynced')?.message;
      expect(message).toMatch(/ended \d+ s ago and what it shows now is not taken \(SignatureInvalid: /);
    });

    it('are over with a newer one', () => {
      const document = peer.document({ seq: 1001, now: later });
      const hearing = withPrivate(publicHearing(document, later), privateBody({ seq: 2001, at: later }), later);
      const conditions = conditionsOf(look({ hearing: { ...hearing, publicAt: later, privateAt: later } }));
      expect(conditions).toContain('MetadataSynced=True/Succeeded');
    });
  });

  it('a root that another showed first is not taken; its owner goes on', () => {
    const owner = { name: 'federation/victim', trustDomain: 'victim.example', clusterUUID: 'victim' };
    const claimedRoots = new Map(remembered().facts.roots.map((pem) => [authorityOf(pem), owner] as const));
    const newcomer = input({ hearing: publicHearing(), claimedRoots });
    expect(conditionsOf(newcomer)).toContain('TrustEstablished=False/SharedRoot');
    expect(decideFederation(newcomer).memory).toBeUndefined();
  });

  it('a memory that cannot be read: nothing heard is a first contact, what was said stands, the operator is told', () => {
    const good = input({ memory: remembered(), hearing: withPrivate(publicHearing()) });
    const previous = federationStatus(good, decideFederation(good));
    const lost = input({ previous, hearing: withPrivate(publicHearing()), memoryFault: 'delete the Secret' });
    const verdict = decideFederation(lost);
    expect([verdict.memory, verdict.link === undefined]).toEqual([undefined, false]);
    expect(conditionsOf(lost)).toEqual(
      expect.arrayContaining([
        'Ready=False/MemoryUnreadable',
        'TrustEstablished=False/MemoryUnreadable',
        'MetadataSynced=False/MemoryUnreadable',
        'ServicesImported=Unknown/MemoryUnreadable',
        'ServicesExported=True/Succeeded',
      ]),
    );
    const { peer: said, services: counted } = federationStatus(lost, verdict);
    expect([said, counted]).toEqual([previous.peer, previous.services]);
    const restarted = { ...lost, publication: undefined };
    expect(federationStatus(restarted, verdict).services).toEqual(previous.services);
  });

  it('a scheme that is switched off: nothing is asked, and the resource says why', () => {
    const off = input({ schemeEnabled: false, memory: remembered() });
    expect(decideFederation(off).link).toBeUndefined();
    expect(conditionsOf(off)).toEqual(['Ready=False/SchemeDisabled']);
  });

  it('a pass that has not seen the peer yet is no withdrawal of trust', () => {
    const fresh = input({ memory: remembered(), publication: { ...published, trusted: false } });
    expect(conditionsOf(fresh)).toContain('TrustEstablished=Unknown/Progressing');
    const silent = { ...published, trusted: false, trustWithdrawn: true };
    expect(conditionsOf(input({ memory: remembered(), publication: silent }))).toContain(
      'TrustEstablished=False/FailedClosed',
    );
  });
});

describe('a peer whose trust the operator withdrew', () => {
  const memory = remembered();
  const trusted = input({ memory, hearing: nothingHeard, publication: { ...published, exported: 2 } });
  const said = federationStatus(trusted, decideFederation(trusted));
  const given = (publication: PeerPublication, previous = said): FederationInput =>
    input({ memory, previous, publication }, { revoked: true });

  it('is not listened to, and not forgotten', () => {
    const verdict = decideFederation(given(published));
    expect(verdict.link).toBeUndefined();
    expect(verdict.memory).toEqual(memory);
    expect(conditionsOf(given(published))).toEqual(
      expect.arrayContaining(['Ready=False/Revoked', 'TrustEstablished=False/Revoked']),
    );
  });

  it('tells what was cut once it is cut, and keeps telling it', () => {
    const during = given(published);
    expect(federationStatus(during, decideFederation(during)).revocation).toBeUndefined();
    const cut = given({ ...published, trusted: false, imported: 0 });
    const status = federationStatus(cut, decideFederation(cut));
    expect(status.revocation).toMatchObject({
      trustDomain: 'b.example',
      imported: 1,
      exported: 2,
      roots: said.peer?.roots?.map(({ fingerprint }) => fingerprint),
      openConnections: 'Cut',
    });
    const later = { ...given({ ...published, trusted: false, imported: 0 }, status), now: now + 60_000 };
    expect(federationStatus(later, decideFederation(later)).revocation).toEqual(status.revocation);
  });

  it.each<[string, Partial<FederationInput>]>([
    ['ours', { mesh: { ...input().mesh, trustDomain: 'b.example' } }],
    [
      'another peer’s',
      { claimedRoots: new Map([['key', { name: 'c', trustDomain: 'b.example', clusterUUID: 'another' }]]) },
    ],
  ])('whose trust domain is %s too keeps its open connections, which is told', (_whose, over) => {
    const cut = { ...given({ ...published, trusted: false }), ...over };
    const status = federationStatus(cut, decideFederation(cut));
    expect(status.revocation?.openConnections).toBe('Kept');
    const ready = status.conditions?.find(({ type }) => type === 'Ready');
    expect(ready?.message).toMatch(
      /trust domain b\.example is not its alone, so new connections .* open ones live until they end/,
    );
  });

  it('is told nothing of that once trust is given back', () => {
    const back = input({ memory, previous: { ...said, revocation: { at: '2026-01-01T00:00:00Z' } } });
    expect(federationStatus(back, decideFederation(back)).revocation).toBeUndefined();
  });
});
