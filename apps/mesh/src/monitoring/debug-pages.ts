import { outstanding, type MeshModel, type TypeState } from '#xds';
import { compareText } from '#model';
import type { ModelVersion } from '../index/mesh-index.js';
import type { ProxyStream } from '../discovery/proxy-stream.js';
import type { RemoteState } from '../registries/remote-clusters.js';
import { typeWord } from './metrics.js';

/** One type on one stream, as `/debug/syncz` tells it. */
export interface TypeSync {
  readonly subscribed: number | '*';
  readonly held: number;
  readonly awaiting: number;
  readonly acked: boolean;
  readonly refusal?: string;
}

/** One proxy as `/debug/syncz` tells it. */
export interface ProxySync {
  readonly proxy: string;
  readonly type: string;
  readonly protocol: string;
  readonly connectedAt: string;
  readonly generation: number;
  readonly synced: boolean;
  readonly types: Readonly<Record<string, TypeSync>>;
}

/** How far each connected proxy is, sorted by proxy. */
export function syncz(streams: Iterable<ProxyStream>, current: ModelVersion | undefined): readonly ProxySync[] {
  return [...streams]
    .flatMap(({ node, state, protocol, connectedAt, generation }) =>
      node === undefined
        ? []
        : [
            {
              proxy: `${node.podName}.${node.namespace}`,
              type: node.type,
              protocol,
              connectedAt: new Date(connectedAt).toISOString(),
              generation,
              synced: generation === current?.generation && state !== undefined && outstanding(state) === 0,
              types: Object.fromEntries(
                [...(state?.types ?? [])].map(([typeUrl, type]) => [typeWord(typeUrl), typeSync(type)]),
              ),
            },
          ],
    )
    .sort((a, b) => compareText(a.proxy, b.proxy));
}

function typeSync(type: TypeState): TypeSync {
  const { subscription, held, awaiting, refusal } = type;
  return {
    subscribed: subscription.wildcard ? '*' : subscription.names.size,
    held: held.size,
    awaiting: awaiting.length,
    acked: awaiting.length === 0 && refusal === undefined,
    ...(refusal === undefined ? {} : { refusal: refusal.message }),
  };
}

/** The services that the model holds, sorted by host name. */
export function registryz({ services }: MeshModel): readonly object[] {
  return [...services]
    .sort((a, b) => compareText(a.hostname, b.hostname))
    .map(({ hostname, namespace, registry, resolution, addresses, ports, endpoints, throughGateways }) => ({
      hostname,
      namespace,
      registry,
      resolution,
      addresses,
      ports,
      throughGateways,
      endpoints: endpoints.map(({ address, port, servicePort, tlsMode, cluster, network, locality }) => ({
        ...{ address, port, servicePort, tlsMode, network, locality },
        ...(cluster === undefined ? {} : { cluster }),
      })),
    }));
}

/** One cluster as istiod's `/debug/clusterz` (and `istioctl remote-clusters`) has it, and what we know beside it. */
export interface ClusterSync {
  readonly id: string;
  readonly secretName: string;
  readonly syncStatus: 'synced' | 'syncing' | 'timeout';
  readonly lastContact?: string;
  readonly error?: string;
  readonly stalePolicy?: RemoteState['stalePolicy'];
  readonly withdrawnHosts?: number;
}

/** Our own cluster, then those that are read through remote Secrets. */
export function clusterz(current: ModelVersion | undefined, remotes: readonly RemoteState[]): readonly ClusterSync[] {
  const own = current?.model.cluster.clusterID;
  return [
    ...(own === undefined ? [] : [{ id: own, secretName: '', syncStatus: 'synced' } as const]),
    ...remotes.map((remote): ClusterSync => ({
      id: remote.clusterID,
      secretName: remote.secret,
      syncStatus: remote.synced ? 'synced' : remote.error === undefined ? 'syncing' : 'timeout',
      ...(remote.lastContact === 0 ? {} : { lastContact: new Date(remote.lastContact).toISOString() }),
      ...(remote.error === undefined ? {} : { error: remote.error }),
      ...(remote.stalePolicy === undefined ? {} : { stalePolicy: remote.stalePolicy }),
      withdrawnHosts: remote.withdrawnHosts.size,
    })),
  ];
}

/** Policies, rules and grants as they are enforced, and who is trusted: fingerprint-sized, no certificates, no keys. */
export function configz(model: MeshModel): object {
  const { cluster, settings, destinationRules, peerAuthentications, authorizationPolicies } = model;
  const { grants, gatewayExports, networkGateways, clusterGateways } = model;
  return {
    cluster,
    settings,
    destinationRules,
    peerAuthentications,
    authorizationPolicies,
    trustedDomains: model.trust.peers.map(({ trustDomain, roots, crls }) => ({
      trustDomain,
      roots: roots.length,
      crls: crls.length,
    })),
    grants,
    gatewayExports,
    networkGateways,
    clusterGateways,
  };
}
