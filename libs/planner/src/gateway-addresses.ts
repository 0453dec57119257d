import { REASONS } from '#crd';
import { podIsReady } from '#istio-api';
import type { Node, Pod, Service, ServicePort } from '#istio-api';
import { compareText, sortedUnique } from '#model';
import type { Finding, GatewayAddress } from '#model';
import { gatewayPort } from './gateway.js';

export interface GatewayFacts {
  /** The gateway's Service; undefined when there is none. */
  readonly service?: Service | undefined;
  /** Needed for NodePort only. */
  readonly nodes: readonly Node[];
  /** Pods of the gateway; needed for NodePort only. */
  readonly pods: readonly Pod[];
  /** Static addresses; when given nothing is discovered. */
  readonly override: readonly GatewayAddress[];
}

/** Addresses of this cluster's east-west gateway, told to peers: all of them, sorted; IPs or host names. */
export function gatewayAddresses(facts: GatewayFacts): {
  readonly addresses: readonly GatewayAddress[];
  readonly findings: readonly Finding[];
} {
  const found = facts.override.length > 0 ? facts.override : discovered(facts);
  const keyed = new Map(found.map((gateway) => [`${gateway.address} ${gateway.port}`, gateway]));
  const addresses = [...keyed.entries()].sort(([a], [b]) => compareText(a, b)).map(([, gateway]) => gateway);
  return { addresses, findings: addresses.length > 0 ? [] : [noGateways(facts)] };
}

function discovered({ service, nodes, pods }: GatewayFacts): readonly GatewayAddress[] {
  const port = tlsPort(service);
  if (service === undefined || port === undefined) return [];
  const at = (hosts: readonly string[], number = port.port): readonly GatewayAddress[] =>
    sortedUnique(hosts).map((address) => ({ address, port: number }));
  const external = at(service.spec?.externalIPs ?? []);
  if (service.spec?.type === 'LoadBalancer') return [...external, ...at(loadBalancerHosts(service))];
  if (service.spec?.type === 'NodePort' && port.nodePort !== undefined) {
    return [...external, ...at(nodeHosts(nodes, pods), port.nodePort)];
  }
  return external;
}

function tlsPort(service: Service | undefined): ServicePort | undefined {
  const ports = service?.spec?.ports ?? [];
  return ports.find(({ name }) => name === 'tls') ?? ports.find(({ port }) => port === gatewayPort);
}

function loadBalancerHosts({ status }: Service): readonly string[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
}

/** Ready, schedulable nodes that run a ready gateway pod. */
function nodeHosts(nodes: readonly Node[], pods: readonly Pod[]): readonly string[] {
  const running = new Set(pods.filter(podIsReady).map(({ spec }) => spec?.nodeName));
  return nodes
    .filter(({ metadata }) => running.has(metadata?.name))
    .filter(({ spec, status }) => {
      const ready = (status?.conditions ?? []).some(
        (condition) => condition.type === 'Ready' && condition.status === 'True',
      );
      return ready && spec?.unschedulable !== true;
    })
    .flatMap((node) => nodeAddress(node) ?? []);
}

function nodeAddress({ status }: Node): string | undefined {
  const of = (type: string): string | undefined => status?.addresses?.find((entry) => entry.type === type)?.address;
  return of('ExternalIP') ?? of('InternalIP');
}

function noGateways({ service }: GatewayFacts): Finding {
  const message =
    service === undefined
      ? 'the east-west gateway has no Service: enable gateway in the chart, or set gateway.addresses'
      : `Service ${service.metadata?.namespace}/${service.metadata?.name} of type ${service.spec?.type ?? 'ClusterIP'} has no address outside this cluster yet: wait for the load balancer, or set gateway.addresses`;
  return { reason: REASONS.NoGateways, message };
}
