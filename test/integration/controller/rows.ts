import { ownUUID } from './chart.js';
import type { Cluster } from './cluster.js';
import { cutOff, endless, nested, plain, redirect, silent, slow } from './misbehaviour.js';
import { gateway, rootMadeAt } from './peer.js';
import type { Content, Offered, Peer } from './peer.js';
import { json } from './peer-server.js';

type ConditionType = 'TrustEstablished' | 'MetadataSynced' | 'ServicesImported';

/** One hostile peer: what it turns to after it was honest, and what its resource then must say. */
export interface Row {
  readonly name: string;
  /** It streams while it is honest. */
  readonly streams?: true;
  readonly turn: (peer: Peer, scene: Scene) => void;
  readonly type: ConditionType;
  readonly reason: string;
  /** Must match the condition's message: what is wrong, and what to do about it. */
  readonly message: RegExp;
  /** Hosts that it may add to what stands here; all else it may not. */
  readonly adds?: readonly string[];
}

export interface Scene {
  readonly good: Peer;
  readonly cluster: Cluster;
}

/** Each message ends with what to do, and on which side. */
export const remedy =
  /the peer must |must (renew|be (at|renewed))|[Cc]heck |is metadataEndpoint |metadata endpoint\?|[Ss]et spec\.|[Pp]ut |[Aa]dd it to |export (less|fewer)|remove the ones|delete |spec\.pins/;

const years = 365 * 24 * 3600 * 1000;
const web = [{ name: 'http', port: 80 }];

const byPublic =
  (text: (peer: Peer, scene: Scene) => string): Row['turn'] =>
  (peer, scene) =>
    void (peer.server.publicAnswer = json(text(peer, scene)));
const byPrivate =
  (text: (peer: Peer, scene: Scene) => string): Row['turn'] =>
  (peer, scene) =>
    void (peer.server.privateAnswer = json(text(peer, scene)));
const byContent = (content: (peer: Peer, scene: Scene) => Partial<Content> & { offers?: readonly Offered[] }) =>
  byPrivate((peer, scene) => peer.federation(peer.content(content(peer, scene))));

const stale = { type: 'MetadataSynced', reason: 'StaleKeepingLastKnownGood' } as const;
const invalid = { type: 'MetadataSynced', reason: 'DocumentInvalid' } as const;
const invalidPublic = { type: 'TrustEstablished', reason: 'DocumentInvalid' } as const;

const transport: readonly Row[] = [
  {
    name: 'public document without end',
    turn: ({ server }) => void (server.publicAnswer = endless()),
    ...invalid,
    message: /larger than 1048576 bytes.*(must|export)/s,
  },
  {
    name: 'private document without end',
    turn: ({ server }) => void (server.privateAnswer = endless()),
    ...invalid,
    message: /larger than 16777216 bytes.*(must|export)/s,
  },
  {
    name: 'stream event without end',
    streams: true,
    turn: ({ server }) => {
      server.streamAnswer = endless({ 'content-type': 'text/event-stream' }, 'event: document\ndata: ');
      server.hangUp();
    },
    ...invalid,
    message: /larger than 1677\d{4} bytes.*(must|export)/s,
  },
  {
    name: 'public document, one byte a second',
    turn: (peer) => void (peer.server.publicAnswer = slow(peer.publicDocument())),
    ...stale,
    message: /no whole answer within 10 s.*Check/s,
  },
  {
    name: 'private document, one byte a second',
    turn: (peer) => void (peer.server.privateAnswer = slow(peer.federation(peer.content()))),
    ...stale,
    message: /no whole answer within 10 s.*Check/s,
  },
  {
    name: 'no answer at all',
    turn: ({ server }) => void (server.privateAnswer = silent),
    ...stale,
    message: /Check that spec.metadataEndpoint|no whole answer within 10 s.*Check/s,
  },
  {
    name: 'public document cut off mid-body',
    turn: (peer) => void (peer.server.publicAnswer = cutOff(peer.publicDocument())),
    ...stale,
    message: /Check that spec.metadataEndpoint is right/,
  },
  {
    name: 'private document cut off mid-body',
    turn: (peer) => void (peer.server.privateAnswer = cutOff(peer.federation(peer.content()))),
    ...stale,
    message: /Check that spec.metadataEndpoint is right/,
  },
  {
    name: 'half a document as if it were whole',
    turn: byPrivate((peer) => peer.federation(peer.content()).slice(0, 200)),
    ...invalid,
    message: /not whole JSON.*metadataEndpoint/,
  },
  {
    name: 'redirect to the API server',
    turn: (peer, { cluster }) => void (peer.server.publicAnswer = redirect(`${cluster.api.server}/version`)),
    ...stale,
    message: /redirects \(302\).*Put the final address into spec.metadataEndpoint/,
  },
  {
    name: 'redirect of the private document',
    turn: (peer, { good }) =>
      void (peer.server.privateAnswer = redirect(`${good.server.endpoint}/private/federation.json`)),
    ...stale,
    message: /redirects \(302\).*Put the final address into spec.metadataEndpoint/,
  },
  {
    name: 'a page of HTML',
    turn: ({ server }) => void (server.privateAnswer = plain('<html></html>', 'text/html')),
    ...invalid,
    message: /text\/html, not application\/json.*metadata endpoint\?/,
  },
];

const shapes: readonly Row[] = [
  ...(['[]', '42', '"text"', 'null'] as const).map((text) => ({
    name: `${text} as public document`,
    turn: ({ server }: Peer) => void (server.publicAnswer = plain(text)),
    ...invalidPublic,
    message: /must be a JSON object/,
  })),
  {
    name: 'a list as private document',
    turn: ({ server }) => void (server.privateAnswer = plain('[]')),
    ...invalid,
    message: /must be a JSON object/,
  },
  {
    name: 'a number for the services',
    turn: byContent(() => ({ publicServices: 7 })),
    ...invalid,
    message: /publicServices: 7: must be a list/,
  },
  {
    name: 'an object for the gateways',
    turn: byContent(() => ({ ingressGateways: {} })),
    ...invalid,
    message: /ingressGateways: object: must be a list/,
  },
  {
    name: 'texts for services',
    turn: byContent(({ echo }) => ({ publicServices: [{ hostname: echo, ports: web }, 'x', 3, null, []] })),
    type: 'ServicesImported',
    reason: 'ServiceInvalid',
    message: /publicServices\[1\].*must be an object: left out/,
  },
  {
    name: 'public document of 100,000 levels',
    turn: ({ server }) => void (server.publicAnswer = plain(`{"a":${nested(100_000)}}`)),
    ...invalidPublic,
    message: /nested deeper than 32/,
  },
  {
    name: 'private document of 100,000 levels',
    turn: ({ server }) => void (server.privateAnswer = plain(`{"publicServices":${nested(100_000)}}`)),
    ...invalid,
    message: /nested deeper than 32/,
  },
  {
    name: '100,000 levels inside the signature',
    turn: byPrivate((peer) => peer.federationWithRaw(nested(100_000))),
    ...invalid,
    message: /nested deeper than 32/,
  },
];

function hostile(name: string, hostname: (peer: Peer, scene: Scene) => string, message: RegExp): Row {
  return {
    name: `offers ${name}`,
    turn: byContent((peer, scene) => ({ offers: [{ hostname: hostname(peer, scene), ports: web }] })),
    type: 'ServicesImported',
    reason: 'DomainConflict',
    message,
  };
}

const notAName = /publicServices\[1\].hostname: ".*: must be a lower-case host name/;
const foreign = /not of the form <service>.<namespace>.svc.*set spec.clusterDomain/;

const hostnames: readonly Row[] = [
  hostile('*', () => '*', notAName),
  hostile('*.svc.<its domain>', (peer) => `*.demo.svc.${peer.trustDomain}`, notAName),
  hostile('api.example.com', () => 'api.example.com', foreign),
  hostile('a name of ours', () => 'echo.demo.svc.east.example', foreign),
  hostile('the API server', () => 'kubernetes.default.svc.cluster.local', foreign),
  hostile("the good peer's name", (_peer, { good }) => good.echo, foreign),
  hostile('..', () => '..', notAName),
  hostile('a path', (peer) => `../../echo.demo.svc.${peer.trustDomain}`, notAName),
  hostile('300 characters', (peer) => `${'a'.repeat(300)}.demo.svc.${peer.trustDomain}`, notAName),
  hostile('letters of another script', (peer) => `есно.demo.svc.${peer.trustDomain}`, notAName),
  hostile('capitals', (peer) => peer.host('ECHO2'), notAName),
  hostile('a line break', (peer) => `${peer.host('echo2')}\n`, notAName),
  hostile('one label too many', (peer) => peer.host('a.echo'), foreign),
];

function refusedGateway(name: string, address: (scene: Scene) => string, message: RegExp): Row {
  return {
    name: `gateway at ${name}`,
    turn: byContent((_peer, scene) => ({ ingressGateways: [gateway, { address: address(scene), port: 6443 }] })),
    type: 'ServicesImported',
    reason: 'AddressRefused',
    message,
  };
}

const gateways: readonly Row[] = [
  refusedGateway('loopback', () => '127.0.0.1', /loopback.*is not used/),
  refusedGateway('loopback in IPv6', () => '::ffff:127.0.0.1', /loopback.*is not used/),
  refusedGateway('localhost by name', () => 'localhost', /loopback.*is not used/),
  refusedGateway('a link-local address', () => 'fe80::1', /link-local.*is not used/),
  refusedGateway("the cloud's metadata", () => '169.254.169.254', /link-local.*is not used/),
  refusedGateway('our API server', ({ cluster }) => cluster.apiAddress, /own API server.*is not used/),
  refusedGateway('a name that is not there', () => 'nowhere.invalid', /cannot be resolved.*is not used/),
  refusedGateway('a name whose server is silent', () => 'silent.invalid', /cannot be resolved.*is not used/),
  refusedGateway('no address', () => 'a b', /must be an IP address or a lower-case host name/),
];

const offers: readonly Row[] = [
  {
    name: 'two ports of one name and of one number',
    turn: byContent((peer) => ({
      offers: [
        {
          hostname: peer.host('twice'),
          ports: [...web, { name: 'http', port: 81 }, { name: 'other', port: 80 }, { name: 'ok', port: 82 }],
        },
      ],
    })),
    type: 'ServicesImported',
    reason: 'PortConflict',
    message: /repeats the name or number of a port before it: left out/,
    adds: ['twice'],
  },
  {
    name: 'one name twice',
    turn: byContent((peer) => ({ offers: [{ hostname: peer.echo, ports: [{ name: 'evil', port: 666 }] }] })),
    type: 'ServicesImported',
    reason: 'ServiceInvalid',
    message: /offers this name twice: the first one counts/,
  },
  {
    name: '20,001 services',
    turn: byContent((peer) => ({ publicServices: manyServices(peer, 20_001) })),
    ...invalid,
    message: /holds more than 20000 entries; export fewer/,
  },
];

const trust: readonly Row[] = [
  {
    name: 'expired root',
    turn: byPublic((peer) => peer.publicDocument({ roots: [peer.root, rootMadeAt(peer, Date.now() - 11 * years)] })),
    type: 'TrustEstablished',
    reason: 'RootInvalid',
    message: /expired at .*; the peer must renew it/,
  },
  {
    name: 'root not yet valid',
    turn: byPublic((peer) => peer.publicDocument({ roots: [peer.root, rootMadeAt(peer, Date.now() + years)] })),
    type: 'TrustEstablished',
    reason: 'RootInvalid',
    message: /is not valid before .*; check both clocks/,
  },
  {
    name: '50 roots',
    turn: byPublic((peer) =>
      peer.publicDocument({ roots: Array.from({ length: 50 }, () => rootMadeAt(peer, Date.now())) }),
    ),
    type: 'TrustEstablished',
    reason: 'RootInvalid',
    message: /50 certificates, at most 16 are taken; remove the ones no longer used/,
  },
  {
    name: 'another root, unasked',
    turn: byPublic((peer) => peer.publicDocument({ roots: [peer.root, rootMadeAt(peer, Date.now())] })),
    type: 'TrustEstablished',
    reason: 'RootChangedPendingApproval',
    message: /add it to spec.pins.roots/,
  },
  {
    name: 'our UUID',
    turn: byPublic((peer) => peer.publicDocument({ clusterUUID: ownUUID })),
    type: 'TrustEstablished',
    reason: 'UUIDConflict',
    message: /own UUID; is metadataEndpoint this cluster’s own\?/,
  },
  {
    name: "the good peer's UUID",
    turn: byPublic((peer, { good }) => peer.publicDocument({ clusterUUID: good.clusterUUID })),
    type: 'TrustEstablished',
    reason: 'UUIDConflict',
    message: /another cluster answers there now. If that is meant, delete and create the resource anew/,
  },
  {
    name: 'public seq rolled back',
    turn: byPublic((peer) => peer.publicDocument({ seq: 5 })),
    type: 'TrustEstablished',
    reason: 'SignatureInvalid',
    message: /seq 5 is older than \d+.*(pin|pins)/,
  },
  {
    name: 'private seq rolled back',
    turn: byPrivate((peer) => peer.federation(peer.content({ publicServices: [] }), 5)),
    type: 'MetadataSynced',
    reason: 'SignatureInvalid',
    message: /seq 5 is older than \d+.*(pin|pins)/,
  },
  {
    name: 'public document no longer signed',
    turn: byPublic((peer) => peer.unsignedDocument()),
    type: 'TrustEstablished',
    reason: 'SignatureInvalid',
    message: /once signed, always signed.*delete and create/,
  },
  {
    name: 'private document no longer signed',
    turn: byPrivate((peer) => JSON.stringify(peer.content({ publicServices: [] }))),
    type: 'MetadataSynced',
    reason: 'SignatureInvalid',
    message: /signed: missing, although this peer signs.*(peer must|at the peer)/,
  },
];

export function manyServices(peer: Peer, count: number): readonly Offered[] {
  return Array.from({ length: count }, (_unused, index) => ({ hostname: peer.host(`many-${index}`), ports: web }));
}

/** Hostile before anything was known of them: nothing of theirs may stand here. */
export const strangers: readonly Pick<Row, 'name' | 'turn' | 'reason' | 'message'>[] = [
  {
    name: 'shows our UUID',
    turn: byPublic((peer) => peer.publicDocument({ clusterUUID: ownUUID })),
    reason: 'UUIDConflict',
    message: /own UUID; is metadataEndpoint this cluster’s own/,
  },
  {
    name: "shows the good peer's UUID",
    turn: byPublic((peer, { good }) => peer.publicDocument({ clusterUUID: good.clusterUUID })),
    reason: 'UUIDConflict',
    message: /belongs to federation\/good, which was first; delete the resource that is too many/,
  },
  {
    name: 'shows an expired root',
    turn: byPublic((peer) => peer.publicDocument({ roots: [peer.root, rootMadeAt(peer, Date.now() - 11 * years)] })),
    reason: 'RootInvalid',
    message: /the peer must renew it/,
  },
  {
    name: 'shows a page',
    turn: ({ server }) => void (server.publicAnswer = plain('<html></html>', 'text/html')),
    reason: 'DocumentInvalid',
    message: /not application\/json/,
  },
];

/** Every row has its own peer, named after its place. */
export const rows: readonly Row[] = [...transport, ...shapes, ...hostnames, ...gateways, ...offers, ...trust];
