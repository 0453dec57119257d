import { describe, expect, it } from '@jest/globals';
import { federation, localService, peerOffer, publicLabel, trustedPeer } from '#testing';
import { authorizationPoliciesFor } from './authorization-policy.js';
import { destinationRuleFor } from './destination-rule.js';
import { federationDocumentFor, multiclusterDocumentFor } from './documents.js';
import { exportsFor } from './exports.js';
import { gatewayFor } from './gateway.js';
import { grantsFor } from './grants.js';
import type { GrantsInput } from './grants.js';
import { isIpAddress } from './ip-address.js';
import { mergeServices } from './merge-services.js';
import type { MergedService, PeerOffer } from './merge-services.js';
import { serviceEntryFor } from './service-entry.js';
import { caCertificatesFor, trustBundlesFor } from './trust-bundle.js';

const mesh = {
  trustDomain: 'a.example',
  clusterDomain: 'a.example',
  importsNamespace: 'isthmus-imports',
  releaseNamespace: 'isthmus-system',
  rootNamespace: 'istio-system',
};
const imported = (...offers: PeerOffer[]): MergedService => mergeServices(offers).services[0]!;

describe('serviceEntryFor', () => {
  it('is a mesh-internal entry with one endpoint per gateway', () => {
    const gateways = [
      { address: '192.0.2.2', port: 443 },
      { address: '192.0.2.1', port: 15_443 },
    ];
    expect(serviceEntryFor(mesh, imported(peerOffer({ gateways, exportTo: ['shop'] })))).toEqual({
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: {
        name: 'echo.demo.svc.b.example',
        namespace: 'isthmus-imports',
        labels: {
          'app.kubernetes.io/managed-by': 'isthmus',
          'isthmus.dev/peer-kind': 'IstioFederation',
          'isthmus.dev/peer-name': 'b',
        },
        annotations: { 'isthmus.dev/peers': 'federation/b' },
      },
      spec: {
        hosts: ['echo.demo.svc.b.example'],
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        location: 'MESH_INTERNAL',
        resolution: 'STATIC',
        endpoints: [
          {
            address: '192.0.2.1',
            ports: { http: 15_443 },
            labels: { 'isthmus.dev/peer-name': 'b', 'security.istio.io/tlsMode': 'istio' },
          },
          {
            address: '192.0.2.2',
            ports: { http: 443 },
            labels: { 'isthmus.dev/peer-name': 'b', 'security.istio.io/tlsMode': 'istio' },
          },
        ],
        exportTo: ['shop'],
        subjectAltNames: ['spiffe://b.example/ns/demo/sa/echo'],
      },
    });
  });

  it('goes by annotation where a legacy peer names no identities', () => {
    const services = [{ hostname: 'echo.demo.svc.b.example', ports: [{ name: 'http', port: 80 }] }];
    const entry = serviceEntryFor(mesh, imported(peerOffer({ services })));
    expect(entry.metadata?.annotations?.['isthmus.dev/subject-alt-name-prefix']).toBe('spiffe://b.example/ns/demo/');
    expect(entry.spec).not.toHaveProperty('subjectAltNames');
  });

  it('resolves by DNS only when a gateway is known by name', () => {
    const gateways = [{ address: 'lb.b.example.org', port: 15_443 }];
    expect(serviceEntryFor(mesh, imported(peerOffer({ gateways }))).spec?.resolution).toBe('DNS');
    expect(serviceEntryFor(mesh, imported(peerOffer({ gateways: [] }))).spec).toMatchObject({
      resolution: 'STATIC',
      endpoints: [],
    });
  });

  it.each([
    ['192.0.2.1', true],
    ['fd00::1', true],
    ['lb.example.org', false],
    ['256.1.1.1', false],
    ['1.2.3', false],
    ['1.2.3.4.5', false],
    ['01.2.3.4', false],
  ])('%s is an IP address: %s', (text, expected) => expect(isIpAddress(text)).toBe(expected));
});

describe('destinationRuleFor', () => {
  it('asks for mutual TLS where the entry is visible', () => {
    const rule = destinationRuleFor(mesh, imported(peerOffer({ exportTo: ['shop'] })));
    expect(rule.metadata?.name).toBe('echo.demo.svc.b.example');
    expect(rule.spec).toEqual({
      host: 'echo.demo.svc.b.example',
      trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } },
      exportTo: ['shop'],
    });
  });
});

const services = [
  localService(),
  localService({
    name: 'cart',
    namespace: 'shop',
    ports: [{ name: 'grpc', port: 9000, targetPort: 'api', protocol: 'TCP' }],
  }),
  localService({ name: 'hidden', labels: {} }),
];

describe('gatewayFor', () => {
  it('holds the union of all exports by exact name, or does not exist', () => {
    const { services: exported } = exportsFor({
      label: publicLabel,
      clusterDomain: 'a.example',
      services,
      subjectAltNames: () => [],
    });
    const gateway = gatewayFor(mesh, [...exported, ...exported]);
    expect(gateway?.metadata).toMatchObject({ name: 'isthmus-exports', namespace: 'isthmus-system' });
    expect(gateway?.spec).toEqual({
      selector: { istio: 'eastwestgateway' },
      servers: [
        {
          port: { number: 15_443, name: 'tls', protocol: 'TLS' },
          hosts: ['cart.shop.svc.a.example', 'echo.demo.svc.a.example'],
          tls: { mode: 'AUTO_PASSTHROUGH' },
        },
      ],
    });
    expect(gatewayFor(mesh, [])).toBeUndefined();
  });
});

describe('grantsFor', () => {
  const grants = (over: Partial<GrantsInput> = {}) =>
    grantsFor({
      label: publicLabel,
      clusterDomain: 'a.example',
      ownTrustDomain: 'a.example',
      services,
      subjectAltNames: () => [],
      federations: [federation()],
      registry: { version: 1, peers: [trustedPeer()] },
      ...over,
    });

  it('opens exactly the exported ports to a trusted peer', () => {
    expect(grants()).toEqual([
      {
        trustDomain: 'b.example',
        peers: ['b'],
        allowed: [
          {
            namespace: 'shop',
            selector: { app: 'cart' },
            hostname: 'cart.shop.svc.a.example',
            ports: [{ port: 9000, targetPort: 'api' }],
          },
          {
            namespace: 'demo',
            selector: { app: 'echo' },
            hostname: 'echo.demo.svc.a.example',
            ports: [{ port: 80, targetPort: 8080 }],
          },
        ],
      },
    ]);
  });

  it.each<[string, Partial<GrantsInput>]>([
    ['an untrusted peer', { registry: { version: 1, peers: [] } }],
    ['a peer whose resource is gone', { federations: [] }],
    [
      'a peer whose resource now names another domain',
      { registry: { version: 1, peers: [trustedPeer({ trustDomain: 'b.example', name: 'x' })] } },
    ],
    [
      'a resource under deletion',
      { federations: [{ ...federation(), metadata: { name: 'b', deletionTimestamp: '2026-01-01T00:00:00Z' } }] },
    ],
    ['a peer with no exports', { federations: [federation({ exports: { hosts: [] } })] }],
    ['Services without workloads', { services: [{ ...localService(), selector: undefined } as never] }],
  ])('shuts everything to %s', (_name, over) => {
    expect(grants(over)).toMatchObject([{ trustDomain: 'b.example', allowed: [] }]);
  });

  it('keeps peers apart: what one may call another may not', () => {
    const two = grants({
      federations: [
        federation({ exports: { namespaces: ['demo'] } }),
        federation({ exports: { namespaces: ['shop'] } }, 'c'),
      ],
      registry: { version: 1, peers: [trustedPeer(), trustedPeer({ name: 'c' })] },
    });
    expect(two.map(({ trustDomain, allowed }) => [trustDomain, allowed.map(({ hostname }) => hostname)])).toEqual([
      ['b.example', ['echo.demo.svc.a.example']],
      ['c.example', ['cart.shop.svc.a.example']],
    ]);
  });

  it('has nothing to say of multicluster peers and of our own trust domain', () => {
    expect(
      grants({ federations: [], registry: { version: 1, peers: [trustedPeer({ kind: 'IstioMulticluster' })] } }),
    ).toEqual([]);
    expect(
      grants({ federations: [federation({ trustDomain: 'a.example' })], registry: { version: 1, peers: [] } }),
    ).toEqual([]);
  });
});

describe('authorizationPoliciesFor', () => {
  const from = [{ source: { principals: ['b.example/*'] } }];
  const policy = (allowed: Parameters<typeof authorizationPoliciesFor>[1][0]['allowed'], trustDomain = 'b.example') =>
    authorizationPoliciesFor(mesh, [{ trustDomain, peers: ['b'], allowed }])[0];
  const workload = (targetPort: number | string) => ({
    namespace: 'demo',
    selector: { app: 'echo' },
    hostname: 'echo.demo.svc.a.example',
    ports: [{ port: 80, targetPort }],
  });

  it('denies all to a domain to which nothing is exported', () => {
    expect(policy([])).toEqual({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: {
        name: 'isthmus-deny-b.example',
        namespace: 'istio-system',
        labels: { 'app.kubernetes.io/managed-by': 'isthmus' },
      },
      spec: { action: 'DENY', rules: [{ from }] },
    });
  });

  it('denies what is not an exported name, and ports on which nothing is exported', () => {
    expect(policy([workload(8080)])?.spec?.rules).toEqual([
      { from, when: [{ key: 'connection.sni', notValues: ['outbound_.80_._.echo.demo.svc.a.example'] }] },
      { from, to: [{ operation: { notPorts: ['8080'] } }] },
    ]);
  });

  it('goes by name alone when a target port is named', () => {
    expect(policy([workload('web')])?.spec?.rules).toHaveLength(1);
  });

  it('never denies cluster.local, which Istio takes for our own domain', () => {
    expect(policy([], 'cluster.local')).toBeUndefined();
  });

  it('keeps two domains apart that no object name can hold', () => {
    const names = ['B_example', 'b-example', 'b_example'].map((domain) => policy([], domain)?.metadata?.name ?? '');
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
  });
});

describe('documents', () => {
  it('hold what the peer may see and not where it comes from', () => {
    const { services: exported } = exportsFor({
      label: publicLabel,
      clusterDomain: 'a.example',
      services,
      subjectAltNames: () => ['spiffe://x/y'],
    });
    const document = federationDocumentFor(exported.slice(0, 1), [{ address: '192.0.2.1', port: 15_443 }]);
    expect(document).toEqual({
      ingressGateways: [{ address: '192.0.2.1', port: 15_443 }],
      publicServices: [
        {
          hostname: 'echo.demo.svc.a.example',
          ports: [{ name: 'http', port: 80, protocol: 'HTTP' }],
          subjectAltNames: ['spiffe://x/y'],
        },
      ],
    });
    expect(multiclusterDocumentFor([], 'api.a.example.org', 'network-1')).toEqual({
      ingressGateways: [],
      apiHost: 'api.a.example.org',
      networkName: 'network-1',
    });
  });
});

describe('trustBundlesFor', () => {
  const own = { trustDomain: 'a.example', roots: ['own root\r\n'] };

  it('keeps every root in its own trust domain', () => {
    const bundles = trustBundlesFor(own, {
      version: 1,
      peers: [trustedPeer({ roots: ['root 2', 'root 1\n', 'root 1'] })],
    });
    expect(bundles).toEqual([
      { trustDomain: 'a.example', roots: ['own root\n'], crls: [] },
      { trustDomain: 'b.example', roots: ['root 1\n', 'root 2\n'], crls: [] },
    ]);
  });

  it('unites peers of one domain, and checks revocation only when each gave its lists', () => {
    const b = trustedPeer({ roots: ['1'], crls: ['x'] });
    const c = trustedPeer({ name: 'c', trustDomain: 'b.example', roots: ['2'] });
    expect(trustBundlesFor(own, { version: 1, peers: [b, c] })[1]).toEqual({
      trustDomain: 'b.example',
      roots: ['1\n', '2\n'],
      crls: [],
    });
    expect(trustBundlesFor(own, { version: 1, peers: [b] })[1]?.crls).toEqual(['x\n']);
    expect(trustBundlesFor(own, { version: 1, peers: [trustedPeer({ roots: [] })] })).toHaveLength(1);
  });

  it('counts us among the members of our own trust domain', () => {
    const sharing = trustedPeer({ trustDomain: own.trustDomain, roots: ['1'], crls: ['x'] });
    const crls = (ours: readonly string[], theirs = sharing): readonly string[] | undefined =>
      trustBundlesFor({ ...own, crls: ours }, { version: 1, peers: [theirs] })[0]?.crls;
    expect(crls([])).toEqual([]);
    expect(crls(['y'], { ...sharing, crls: [] })).toEqual([]);
    expect(crls(['y'])).toEqual(['x\n', 'y\n']);
  });

  it('tells a stock istiod of the others only', () => {
    const b = trustedPeer({ roots: ['2', '1'] });
    const sharing = trustedPeer({ name: 'c', trustDomain: own.trustDomain, roots: ['3', ...own.roots] });
    expect(caCertificatesFor(own, { version: 1, peers: [b, sharing] })).toEqual([
      { pem: '3\n', trustDomains: [own.trustDomain] },
      { pem: '1\n', trustDomains: ['b.example'] },
      { pem: '2\n', trustDomains: ['b.example'] },
    ]);
  });
});
