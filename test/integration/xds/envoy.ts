import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { partPath } from '../../../scripts/setup/index.js';
import { type Child, freePort, startChild, waitFor } from '../../harness/child.js';

export interface RunningEnvoy {
  readonly child: Child;
  readonly adminPort: number;
  /** Value of one counter or gauge. */
  stat(name: string): Promise<number>;
}

/** Starts an Envoy that takes everything from the server at `adsPort`, as a sidecar under the agent does. */
export async function startEnvoy(
  folder: string,
  nodeId: string,
  adsPort: number,
  drainSeconds: number,
): Promise<RunningEnvoy> {
  const adminPort = await freePort();
  const grpcCluster = (name: string) => ({
    name,
    type: 'STATIC',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(adsPort) } }] }],
    },
  });
  const bootstrap = {
    node: { id: nodeId, cluster: 'test' },
    admin: { address: address(adminPort) },
    dynamic_resources: {
      lds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
      cds_config: { ads: {}, resource_api_version: 'V3', initial_fetch_timeout: '0s' },
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: { clusters: [grpcCluster('xds-grpc'), grpcCluster('sds-grpc')] },
  };
  const file = join(folder, 'envoy.json');
  await writeFile(file, JSON.stringify(bootstrap));
  const child = startChild({
    command: partPath('envoy'),
    args: [
      ...['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'info'],
      ...['--drain-time-s', String(drainSeconds), '--drain-strategy', 'immediate'],
    ],
    logFile: join(folder, 'envoy.log'),
  });
  const stat = async (name: string): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/stats?filter=^${name.replaceAll('.', '\\.')}$`);
    return Number((await response.text()).split(':')[1] ?? 0);
  };
  return { child, adminPort, stat };
}

/** Waits until Envoy serves: everything it was told of has warmed. */
export async function serving(envoy: RunningEnvoy): Promise<void> {
  await waitFor(
    'Envoy ready',
    async () => ((await fetch(`http://127.0.0.1:${envoy.adminPort}/ready`)).status === 200 ? true : undefined),
    { timeoutMs: 60_000, logFile: envoy.child.logFile },
  );
}

function address(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
