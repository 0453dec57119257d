import type { MeshEndpoint, MeshModel, MeshService, Workload } from './mesh-model.js';
import { type ProxyNode, parseProxyNode } from './proxy-node.js';

/** A small but complete mesh for specs: HTTP, gRPC, TCP, detected and headless ports, an import from a peer, policies, grants. */
export const ownDomain = 'alpha.example';
export const peerDomain = 'beta.example';

/** Text in the shape of a certificate; specs that need a real one replace it. */
export const root = (name: string): string => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----`;

export function endpoint(
  fields: Partial<MeshEndpoint> & Pick<MeshEndpoint, 'address' | 'port' | 'servicePort'>,
): MeshEndpoint {
  return { tlsMode: 'istio', network: 'net-a', locality: '', weight: 1, ...fields };
}

export function service(fields: Partial<MeshService> & Pick<MeshService, 'name'>): MeshService {
  return {
    hostname: `${fields.name}.demo.svc.cluster.a`,
    namespace: 'demo',
    registry: 'Kubernetes',
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    addresses: [],
    ports: [],
    exportTo: [],
    createdAt: 1,
    subjectAltNames: [],
    sanPrefixes: [],
    headless: false,
    throughGateways: false,
    endpoints: [],
    ...fields,
  };
}

export function workload(fields: Partial<Workload> & Pick<Workload, 'name' | 'addresses'>): Workload {
  return {
    namespace: 'demo',
    labels: { app: fields.name },
    serviceAccount: fields.name,
    ready: true,
    tlsMode: 'istio',
    network: 'net-a',
    namedPorts: {},
    ...fields,
  };
}

const identity = `spiffe://${ownDomain}/ns/demo/sa/echo`;

export const echo = service({
  name: 'echo',
  addresses: ['10.96.0.10'],
  selector: { app: 'echo' },
  ports: [
    { name: 'http', number: 80, targetPort: 8080, protocol: 'HTTP' },
    { name: 'grpc', number: 7070, targetPort: 'grpc', protocol: 'GRPC' },
    { name: 'tcp', number: 9000, protocol: 'TCP' },
    { name: 'any', number: 9999, protocol: 'auto' },
    { name: 'dns', number: 53, protocol: 'UDP' },
  ],
  endpoints: ['10.1.0.5', '10.1.0.6'].flatMap((address) =>
    [
      [80, 8080],
      [7070, 7070],
      [9000, 9000],
      [9999, 9999],
    ].map(([servicePort = 0, port = 0]) => endpoint({ address, port, servicePort, identity })),
  ),
});

export const headless = service({
  name: 'db',
  createdAt: 2,
  headless: true,
  selector: { app: 'db' },
  ports: [
    { name: 'tcp', number: 5432, protocol: 'TCP' },
    { name: 'http', number: 8081, protocol: 'HTTP' },
  ],
  endpoints: [
    endpoint({ address: '10.1.0.7', port: 5432, servicePort: 5432 }),
    endpoint({ address: '10.1.0.7', port: 8081, servicePort: 8081 }),
  ],
});

/** A peer's service as its ServiceEntry says it: two gateways, virtual address, named identities. */
export const imported = service({
  name: 'shop',
  namespace: 'isthmus-imports',
  hostname: 'shop.store.svc.cluster.b',
  registry: 'External',
  createdAt: 3,
  throughGateways: true,
  addresses: ['240.240.0.1'],
  subjectAltNames: [`spiffe://${peerDomain}/ns/store/sa/shop`],
  ports: [
    { name: 'http', number: 80, protocol: 'HTTP' },
    { name: 'grpc', number: 7070, protocol: 'GRPC' },
    { name: 'tcp', number: 9000, protocol: 'TCP' },
  ],
  endpoints: ['192.0.2.1', '192.0.2.2'].flatMap((address) =>
    [80, 7070, 9000].map((servicePort) => endpoint({ address, port: 15443, servicePort, network: '' })),
  ),
});

export const outside = service({
  name: 'example',
  namespace: 'demo',
  hostname: 'example.org',
  registry: 'External',
  location: 'MESH_EXTERNAL',
  resolution: 'DNS',
  createdAt: 4,
  ports: [
    { name: 'http', number: 80, protocol: 'HTTP' },
    { name: 'https', number: 443, protocol: 'TLS' },
  ],
});

export const model: MeshModel = {
  cluster: {
    clusterID: 'alpha',
    trustDomain: ownDomain,
    clusterDomain: 'cluster.a',
    network: 'net-a',
    rootNamespace: 'istio-system',
  },
  settings: { outboundTrafficPolicy: 'ALLOW_ANY' },
  workloads: [
    workload({ name: 'client', addresses: ['10.1.0.4'] }),
    workload({ name: 'echo', addresses: ['10.1.0.5'], namedPorts: { grpc: 7070 } }),
    workload({ name: 'db', addresses: ['10.1.0.7'] }),
  ],
  services: [echo, headless, imported, outside],
  destinationRules: [
    {
      name: 'shop',
      namespace: 'isthmus-imports',
      host: imported.hostname,
      exportTo: [],
      createdAt: 5,
      trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } },
      portPolicies: {},
    },
  ],
  peerAuthentications: [],
  authorizationPolicies: [
    {
      name: 'no-admin',
      namespace: 'demo',
      action: 'DENY',
      selector: { app: 'echo' },
      rules: [{ from: [{ source: { notNamespaces: ['ops'] } }], to: [{ operation: { paths: ['/admin*'] } }] }],
    },
    {
      name: 'callers',
      namespace: 'demo',
      action: 'ALLOW',
      selector: { app: 'echo' },
      rules: [
        { from: [{ source: { principals: [`${peerDomain}/ns/store/sa/*`, 'cluster.local/ns/demo/sa/client'] } }] },
        {
          from: [{ source: { ipBlocks: ['10.0.0.0/8'] } }],
          to: [{ operation: { methods: ['GET'], hosts: ['Echo.demo'], ports: ['8080'] } }],
          when: [
            { key: 'request.headers[x-token]', values: ['a*'] },
            { key: 'destination.port', values: ['8080'] },
          ],
        },
      ],
    },
  ],
  trust: {
    roots: [root('own')],
    peers: [{ trustDomain: peerDomain, roots: [root('peer')], crls: [] }],
  },
  grants: [
    {
      trustDomain: peerDomain,
      allowed: [{ namespace: 'demo', podLabels: { app: 'echo' }, targetPorts: [8080, 'grpc'] }],
    },
  ],
  gatewayExports: [{ hostname: echo.hostname, ports: [80, 7070] }],
  networkGateways: [],
  clusterGateways: [],
};

/** A proxy that stands where the node id says; throws when the id is wrong. */
export function proxy(id: string, metadata: Readonly<Record<string, unknown>> = {}): ProxyNode {
  const parsed = parseProxyNode(id, metadata);
  if (!parsed.ok) throw new Error(parsed.fault);
  return parsed.value;
}

export const clientProxy = proxy('sidecar~10.1.0.4~client-1.demo~demo.svc.cluster.a');
export const echoProxy = proxy('sidecar~10.1.0.5~echo-1.demo~demo.svc.cluster.a');
export const dbProxy = proxy('sidecar~10.1.0.7~db-0.demo~demo.svc.cluster.a');
export const gatewayProxy = proxy('router~10.1.0.9~gateway-1.isthmus-system~isthmus-system.svc.cluster.a');
