import type { PeerKind } from '#model';

/** One object that must be accepted, or refused with a fault at `field`, by zod and by a real API server alike. */
export interface AdmissionCase {
  readonly name: string;
  readonly kind: PeerKind;
  readonly spec: unknown;
  readonly objectName?: string;
  /** Absent: accepted. Else the path that must be blamed. */
  readonly refusedAt?: string;
  /** Refused by the API server alone: one that was stored when it was still valid is read. */
  readonly readIfStored?: true;
}

const federation = { trustDomain: 'b.example', metadataEndpoint: 'https://b.example.org/metadata' };
const multicluster = { metadataEndpoint: 'https://b.example.org/metadata' };
const pin = `sha256:${'0a'.repeat(32)}`;
const certificate = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

const accept =
  (kind: PeerKind, base: object) =>
  (name: string, more: object): AdmissionCase => ({
    name,
    kind,
    spec: { ...base, ...more },
  });
const refuse =
  (kind: PeerKind, base: object) =>
  (name: string, refusedAt: string, more: object): AdmissionCase => ({
    name,
    kind,
    spec: { ...base, ...more },
    refusedAt,
  });

const ok = accept('IstioFederation', federation);
const no = refuse('IstioFederation', federation);
const okMulti = accept('IstioMulticluster', multicluster);
const noMulti = refuse('IstioMulticluster', multicluster);

const endpoints: readonly AdmissionCase[] = [
  ok('the least', {}),
  ok('endpoint with a port', { metadataEndpoint: 'https://b.example.org:8443/metadata/' }),
  ok('endpoint by IPv4', { metadataEndpoint: 'https://10.1.2.3:8443/metadata' }),
  ok('endpoint by IPv6', { metadataEndpoint: 'https://[fd00::1]:8443/metadata' }),
  no('endpoint over http', 'spec.metadataEndpoint', { metadataEndpoint: 'http://b.example.org/metadata' }),
  no('endpoint without a path', 'spec.metadataEndpoint', { metadataEndpoint: 'https://b.example.org' }),
  no('endpoint with a user', 'spec.metadataEndpoint', { metadataEndpoint: 'https://me@b.example.org/metadata' }),
  no('endpoint with a query', 'spec.metadataEndpoint', { metadataEndpoint: 'https://b.example.org/metadata?x=1' }),
  no('endpoint with a fragment', 'spec.metadataEndpoint', { metadataEndpoint: 'https://b.example.org/metadata#x' }),
  no('endpoint with port 0', 'spec.metadataEndpoint', { metadataEndpoint: 'https://b.example.org:0/metadata' }),
  no('endpoint with port 65536', 'spec.metadataEndpoint', { metadataEndpoint: 'https://b.example.org:65536/metadata' }),
  no('endpoint with a line break', 'spec.metadataEndpoint', { metadataEndpoint: 'https://b.example.org/meta\ndata' }),
  no('endpoint missing', 'spec.metadataEndpoint', { metadataEndpoint: undefined }),
  no('endpoint a number', 'spec.metadataEndpoint', { metadataEndpoint: 5 }),
];

const domains: readonly AdmissionCase[] = [
  ok('trust domain that is no DNS name, with a cluster domain', { trustDomain: 'Prod_B', clusterDomain: 'b.example' }),
  no('trust domain missing', 'spec.trustDomain', { trustDomain: undefined }),
  no('trust domain empty', 'spec.trustDomain', { trustDomain: '' }),
  no('trust domain with a scheme', 'spec.trustDomain', { trustDomain: 'spiffe://b.example' }),
  no('trust domain with a space', 'spec.trustDomain', { trustDomain: 'b example' }),
  no('trust domain of 256 characters', 'spec.trustDomain', {
    trustDomain: 'b'.repeat(256),
    clusterDomain: 'b.example',
  }),
  no('trust domain that is no DNS name, alone', 'spec.trustDomain', { trustDomain: 'Prod_B' }),
  no('cluster domain in capitals', 'spec.clusterDomain', { clusterDomain: 'B.example' }),
  no('cluster domain with a wildcard', 'spec.clusterDomain', { clusterDomain: '*.example' }),
];

const trust: readonly AdmissionCase[] = [
  ok('CA given', { metadata: { ca: certificate } }),
  ok('verification skipped', { metadata: { insecureSkipVerify: true } }),
  ok('CA given, skipping refused', { metadata: { ca: certificate, insecureSkipVerify: false } }),
  ok('pins', { pins: { roots: [pin], keys: [pin] } }),
  no('CA and skipping', 'spec.metadata.insecureSkipVerify', {
    metadata: { ca: certificate, insecureSkipVerify: true },
  }),
  no('CA that is no PEM', 'spec.metadata.ca', { metadata: { ca: 'MIIB' } }),
  no('pin without its algorithm', 'spec.pins.roots[0]', { pins: { roots: ['0a'.repeat(32)] } }),
  no('pin in capitals', 'spec.pins.keys[0]', { pins: { keys: [pin.toUpperCase()] } }),
  no('pin too short', 'spec.pins.roots[0]', { pins: { roots: ['sha256:0a'] } }),
  no('pin twice', 'spec.pins.roots', { pins: { roots: [pin, pin] } }),
];

const sharing: readonly AdmissionCase[] = [
  ok('exports by everything', {
    exports: {
      serviceSelector: {
        matchLabels: { tier: 'front' },
        matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }],
      },
      namespaces: ['shop'],
      hosts: ['echo.demo.svc.a.example', '*.shop.svc.a.example'],
    },
  }),
  ok('exports nothing', { exports: { namespaces: [] } }),
  ok('imports some', { imports: { hosts: ['echo.demo.svc.b.example', '*.svc.b.example'], exportTo: ['*', 'shop'] } }),
  ok('imports below another cluster domain', {
    clusterDomain: 'b.local',
    imports: { hosts: ['echo.demo.svc.b.local'] },
  }),
  no('exports a namespace that is none', 'spec.exports.namespaces[0]', { exports: { namespaces: ['No Such'] } }),
  no('exports a host of one word', 'spec.exports.hosts[0]', { exports: { hosts: ['echo'] } }),
  no('selector In without values', 'spec.exports.serviceSelector.matchExpressions[0].values', {
    exports: { serviceSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
  }),
  no('selector with an unknown operator', 'spec.exports.serviceSelector.matchExpressions[0].operator', {
    exports: { serviceSelector: { matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] } },
  }),
  no('imports a name of ours', 'spec.imports', { imports: { hosts: ['echo.demo.svc.a.example'] } }),
  no('imports a name that only ends alike', 'spec.imports', { imports: { hosts: ['echo.demo.svc.notb.example'] } }),
  no('imports everything of everyone', 'spec.imports.hosts[0]', { imports: { hosts: ['*'] } }),
  { ...no('imports visible nowhere', 'spec.imports.exportTo', { imports: { exportTo: [] } }), readIfStored: true },
  no('imports to what is no namespace', 'spec.imports.exportTo[0]', { imports: { exportTo: ['~'] } }),
];

const silence: readonly AdmissionCase[] = [
  ok('revoked', { revoked: true }),
  no('revoked no boolean', 'spec.revoked', { revoked: 'yes' }),
  ok('stale policy by default', { stalePolicy: {} }),
  ok('drain', { stalePolicy: { mode: 'DrainAfter', after: '1h30m' } }),
  ok('fail closed at the default', { stalePolicy: { mode: 'FailClosed' } }),
  ok('override', { stalePolicy: { overrides: [{ hosts: ['*.svc.b.example'], mode: 'DrainAfter', after: '90s' }] } }),
  no('drain without a time', 'spec.stalePolicy.after', { stalePolicy: { mode: 'DrainAfter' } }),
  no('drain after a day', 'spec.stalePolicy.after', { stalePolicy: { mode: 'DrainAfter', after: '1d' } }),
  no('drain after nothing', 'spec.stalePolicy.after', { stalePolicy: { mode: 'DrainAfter', after: '' } }),
  no('unknown mode', 'spec.stalePolicy.mode', { stalePolicy: { mode: 'Forget' } }),
  no('override without hosts', 'spec.stalePolicy.overrides[0].hosts', {
    stalePolicy: { overrides: [{ mode: 'Keep' }] },
  }),
  no('override of no host', 'spec.stalePolicy.overrides[0].hosts', {
    stalePolicy: { overrides: [{ hosts: [], mode: 'Keep' }] },
  }),
  no('override that drains without a time', 'spec.stalePolicy.overrides[0].after', {
    stalePolicy: { overrides: [{ hosts: ['*.svc.b.example'], mode: 'DrainAfter' }] },
  }),
];

const multiclusters: readonly AdmissionCase[] = [
  okMulti('multicluster: the least', {}),
  okMulti('multicluster: everything', {
    trustDomain: 'b.example',
    sharedTrustDomain: true,
    enableIngressGateway: false,
    metadata: { ca: certificate },
    pins: { keys: [pin] },
    stalePolicy: { mode: 'FailClosed', after: '5m' },
    legacyAPITokens: true,
    allowReviews: true,
  }),
  noMulti('multicluster: endpoint missing', 'spec.metadataEndpoint', { metadataEndpoint: undefined }),
  noMulti('multicluster: trust domain with a path', 'spec.trustDomain', { trustDomain: 'b.example/ns/x' }),
  noMulti('multicluster: a word for a boolean', 'spec.sharedTrustDomain', { sharedTrustDomain: 'yes' }),
  noMulti('multicluster: CA and skipping', 'spec.metadata.insecureSkipVerify', {
    metadata: { ca: certificate, insecureSkipVerify: true },
  }),
];

const objects: readonly AdmissionCase[] = [
  { name: 'no spec', kind: 'IstioFederation', spec: undefined, refusedAt: 'spec' },
  {
    name: 'a name of 64 characters',
    kind: 'IstioFederation',
    spec: federation,
    objectName: 'n'.repeat(64),
    refusedAt: 'metadata.name',
  },
  { name: 'a name of 63 characters', kind: 'IstioMulticluster', spec: multicluster, objectName: 'n'.repeat(63) },
];

/** Drives libs/crd's own spec and test/integration/admission.int-spec.ts on a real API server. */
export const admissionTable: readonly AdmissionCase[] = [
  ...endpoints,
  ...domains,
  ...trust,
  ...sharing,
  ...silence,
  ...multiclusters,
  ...objects,
];

/** The object of a case, as it would be created. */
export function admissionObject({
  kind,
  spec,
  objectName = 'peer-b',
}: AdmissionCase): Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'isthmus.dev/v1alpha1',
    kind,
    metadata: { name: objectName },
    ...(spec === undefined ? {} : { spec }),
  };
}
