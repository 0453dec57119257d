import type { FederationSpec, IstioFederation } from '#crd';
import type { Node, Pod, Service } from '#istio-api';
import { scopesOf } from '#model';
import type { TrustedPeer } from '#model';
import type { LocalService, PeerOffer } from '#planner';

// Builders for specs: complete, valid objects; a spec names only what it is about.

export const publicLabel = 'federation.istio.deckhouse.io/public-service';

/** Service `echo` in namespace `demo`, labelled public, port http 80 → 8080. */
export function localService(over: Partial<LocalService> = {}): LocalService {
  const name = over.name ?? 'echo';
  return {
    namespace: 'demo',
    name,
    labels: { [publicLabel]: '' },
    annotations: {},
    ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    selector: { app: name },
    clusterIP: '10.96.0.10',
    createdAt: '2026-01-01T00:00:00Z',
    ...over,
  };
}

/** Ready pod of Deployment `echo` with a sidecar, in namespace `demo`. */
export function pod(over: Partial<Pod> & { readonly labels?: Readonly<Record<string, string>> } = {}): Pod {
  const { labels, ...rest } = over;
  return {
    metadata: {
      name: 'echo-1',
      namespace: 'demo',
      labels: { app: 'echo', 'security.istio.io/tlsMode': 'istio', ...labels },
    },
    spec: { serviceAccountName: 'echo', nodeName: 'node-1', containers: [{ name: 'app' }] },
    status: { phase: 'Running', podIP: '10.1.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
    ...rest,
  };
}

/** Ready, schedulable node. */
export function node(name: string, addresses: Readonly<Record<string, string>>, over: Partial<Node> = {}): Node {
  return {
    metadata: { name },
    status: {
      addresses: Object.entries(addresses).map(([type, address]) => ({ type, address })),
      conditions: [{ type: 'Ready', status: 'True' }],
    },
    ...over,
  };
}

/** Service of the east-west gateway. */
export function gatewayService(type: string, over: Partial<Service> = {}): Service {
  return {
    metadata: { name: 'isthmus-eastwestgateway', namespace: 'isthmus-system' },
    spec: {
      type,
      ports: [
        { name: 'status-port', port: 15_021 },
        { name: 'tls', port: 15_443, nodePort: 31_443 },
      ],
    },
    ...over,
  };
}

/** IstioFederation `b` of trust and cluster domain `b.example`. */
export function federation(spec: Partial<FederationSpec> = {}, name = 'b'): IstioFederation {
  return {
    apiVersion: 'isthmus.dev/v1alpha1',
    kind: 'IstioFederation',
    metadata: { name, uid: `uid-${name}`, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      trustDomain: `${name}.example`,
      metadataEndpoint: `https://${name}.example.org/metadata`,
      revoked: false,
      ...spec,
    },
  };
}

/** The peer behind `federation()`, trusted and signed. */
export function trustedPeer(over: Partial<TrustedPeer> = {}): TrustedPeer {
  const name = over.name ?? 'b';
  const kind = over.kind ?? 'IstioFederation';
  return {
    kind,
    name,
    clusterUUID: `uuid-${name}`,
    trustDomain: `${name}.example`,
    clusterDomain: `${name}.example`,
    roots: [`-----BEGIN CERTIFICATE-----\nroot of ${name}\n-----END CERTIFICATE-----\n`],
    keys: [],
    signed: true,
    crls: [],
    scopes: scopesOf(kind),
    legacyAPITokens: false,
    ...over,
  };
}

/** Offer of peer `b`: one service `echo.demo` behind one gateway. */
export function peerOffer(over: Partial<PeerOffer> & { readonly name?: string } = {}): PeerOffer {
  const { name = 'b', ...rest } = over;
  return {
    peer: { kind: 'IstioFederation', name },
    createdAt: '2026-01-01T00:00:00Z',
    trustDomain: `${name}.example`,
    clusterDomain: 'b.example',
    gateways: [{ address: '192.0.2.1', port: 15_443 }],
    services: [
      {
        hostname: 'echo.demo.svc.b.example',
        ports: [{ name: 'http', port: 80, protocol: 'HTTP' }],
        subjectAltNames: [`spiffe://${name}.example/ns/demo/sa/echo`],
      },
    ],
    ...rest,
  };
}
