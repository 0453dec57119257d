import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureParts } from '../../../scripts/setup/index.js';
import { type Child, freePort, startChild, waitFor } from '../../harness/child.js';

export interface ProxyOptions {
  readonly nodeId: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly protocol: 'GRPC' | 'DELTA_GRPC';
  readonly xdsPort: number;
  /** Roots (PEM) that the control plane's certificate is verified with. */
  readonly ca: string;
  readonly token: string;
  /** Port of the agent's secret service, plaintext. */
  readonly sdsPort: number;
}

/** A plain upstream Envoy that takes its configuration from the mesh core. */
export interface Proxy {
  readonly child: Child;
  admin(path: string): Promise<string>;
  /** Sum of the counters and gauges whose name matches. */
  stat(pattern: string): Promise<number>;
  /** All clusters warm, all listeners active, workers started. */
  serving(): Promise<void>;
  stop(): Promise<void>;
}

export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { envoy } = await ensureParts(['envoy']);
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-proxy-'));
  const adminPort = await freePort();
  const file = join(directory, 'envoy.json');
  writeFileSync(file, JSON.stringify(bootstrap(options, adminPort)));
  const logFile = join(directory, 'envoy.log');
  const args = ['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'warning'];
  const child = startChild({ command: envoy, args, logFile });
  const admin = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${adminPort}${path}`)).text();
  return {
    child,
    admin,
    stat: async (pattern) => {
      const text = await admin(`/stats?filter=${encodeURIComponent(pattern)}`);
      return text.split('\n').reduce((sum, line) => sum + Number(line.split(': ')[1] ?? 0), 0);
    },
    serving: async () => {
      const ready = async (): Promise<true | undefined> =>
        (await admin('/ready')).startsWith('LIVE') ? true : undefined;
      await waitFor('Envoy ready', ready, { logFile, timeoutMs: 60_000 });
    },
    stop: async () => {
      await child.stop(1000);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function bootstrap(
  { nodeId, metadata, protocol, xdsPort, ca, token, sdsPort }: ProxyOptions,
  adminPort: number,
): object {
  const source = { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' };
  const tls = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: 'istiod.istio-system.svc',
      common_tls_context: {
        alpn_protocols: ['h2'],
        validation_context: {
          trusted_ca: { inline_string: ca },
          match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: 'istiod.istio-system.svc' } }],
        },
      },
    },
  };
  return {
    node: { id: nodeId, cluster: 'test', metadata },
    admin: { address: address(adminPort) },
    dynamic_resources: {
      lds_config: source,
      cds_config: source,
      ads_config: {
        api_type: protocol,
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [
          {
            envoy_grpc: { cluster_name: 'xds-grpc' },
            initial_metadata: [{ key: 'authorization', value: `Bearer ${token}` }],
          },
        ],
      },
    },
    static_resources: {
      clusters: [{ ...grpcCluster('xds-grpc', xdsPort), transport_socket: tls }, grpcCluster('sds-grpc', sdsPort)],
    },
  };
}

function grpcCluster(name: string, port: number): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
    },
  };
}

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
