import type { Resource } from '#proto';
import { sortedBy, sortedUnique } from '#model';
import { blackHoleCluster, passthroughCluster } from '../envoy/fixed-clusters.js';
import type { DestinationRule, MeshModel, MeshService, Workload } from '../mesh-model.js';
import { nameTableFor } from '../name-table.js';
import type { ProxyNode } from '../proxy-node.js';
import type { ResourceCache } from '../resource-cache.js';
import { outboundCluster } from '../resource-names.js';
import { discoveryOf, outboundClusterFor } from './cluster.js';
import { trafficPolicyFor } from './destination-rule.js';
import { endpointsFor, type NetworkView, reachableEndpoints } from './endpoints.js';
import { labelNamesOf, type LocalityView, placementOf } from './locality.js';
import { outboundListenerFor, virtualOutboundListener } from './listener.js';
import { outboundPlan, usablePorts } from './plan.js';
import { outboundRouteFor } from './route.js';
import { visibleServices } from './visible-services.js';

/** What a client's outbound configuration depends on besides the model; clients with equal views share everything. */
export interface OutboundView {
  readonly namespace: string;
  readonly dnsDomain: string;
  readonly network: string;
  readonly requestedNetworks: readonly string[];
  /** Where the proxy stands: the locality of its pod's node, else what it says itself. */
  readonly locality: string;
  /** Its labels that some DestinationRule's failoverPriority names. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What is known of the proxy's own workload. */
type Standing = Pick<Workload, 'labels' | 'locality'>;

export function outboundViewOf(
  model: Pick<MeshModel, 'cluster' | 'destinationRules'>,
  proxy: ProxyNode,
  workload: Standing,
): OutboundView {
  return {
    namespace: proxy.namespace,
    dnsDomain: proxy.dnsDomain,
    network: proxy.network || model.cluster.network,
    requestedNetworks: proxy.requestedNetworks,
    locality: workload.locality ?? proxy.locality,
    labels: Object.fromEntries(
      failoverLabels(model.destinationRules).flatMap((name) => {
        const value = workload.labels[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
  };
}

const failoverLabelsOf = new WeakMap<readonly DestinationRule[], readonly string[]>();

/** Labels that count for failover anywhere, sorted; asked for once per proxy, found once per model. */
function failoverLabels(rules: readonly DestinationRule[]): readonly string[] {
  const found =
    failoverLabelsOf.get(rules) ??
    sortedUnique(
      rules.flatMap(({ trafficPolicy, portPolicies }) =>
        [trafficPolicy, ...Object.values(portPolicies)].flatMap(({ locality }) => labelNamesOf(locality ?? {})),
      ),
    );
  failoverLabelsOf.set(rules, found);
  return found;
}

/** Everything a sidecar needs to call others: clusters, endpoints, listeners, routes, names. */
export function outboundResources(cache: ResourceCache, model: MeshModel, view: OutboundView): readonly Resource[] {
  const services = visibleServices(model.services, view.namespace);
  return [
    cache.resource('black hole', blackHoleCluster),
    cache.resource('passthrough', passthroughCluster),
    ...clustersAndEndpoints(cache, model, view, services),
    ...listenersAndRoutes(cache, model, view, services),
    cache.resource(`names ${services.map(nameKey).join('\n')}`, () => nameTableFor(services)),
  ];
}

function clustersAndEndpoints(
  cache: ResourceCache,
  model: MeshModel,
  view: OutboundView,
  services: readonly MeshService[],
): readonly Resource[] {
  const { trustDomain } = model.cluster;
  const network = networkView(model, view);
  const networkKey = JSON.stringify(network);
  const { clusterID } = model.cluster;
  const standing: LocalityView = { locality: view.locality, labels: view.labels, network: view.network, clusterID };
  const standingKey = JSON.stringify(standing);
  return services.flatMap((service) =>
    usablePorts(service).flatMap((port) => {
      const policy = trafficPolicyFor(model, view.namespace, service, port.number);
      const key = `${port.number} ${serviceKey(service)}`;
      const cluster = cache.resource(`cluster ${key} ${trustDomain} ${JSON.stringify(policy)}`, () =>
        outboundClusterFor({ service, port, policy, trustDomain }),
      );
      if (discoveryOf(service) !== 'eds') return [cluster];
      const placement = placementOf(service, policy);
      const placeKey = placement === undefined ? '' : `${JSON.stringify(placement)} ${standingKey}`;
      const endpoints = cache.resource(`endpoints ${key} ${networkKey} ${placeKey}`, () =>
        endpointsFor(
          outboundCluster(port.number, service.hostname),
          reachableEndpoints(
            service.endpoints.filter(({ servicePort }) => servicePort === port.number),
            network,
          ),
          placement === undefined ? undefined : { placement, view: standing },
        ),
      );
      return [cluster, endpoints];
    }),
  );
}

function listenersAndRoutes(
  cache: ResourceCache,
  model: MeshModel,
  { dnsDomain }: OutboundView,
  services: readonly MeshService[],
): readonly Resource[] {
  const { outboundTrafficPolicy } = model.settings;
  const { listeners, routes } = outboundPlan(services, outboundTrafficPolicy);
  return [
    cache.resource(`virtual outbound ${outboundTrafficPolicy}`, () => virtualOutboundListener(outboundTrafficPolicy)),
    ...listeners.map((input) => cache.resource(`listener ${JSON.stringify(input)}`, () => outboundListenerFor(input))),
    ...routes.map((input) => {
      const routed = input.routed.map(({ service, port }) => `${port} ${nameKey(service)}`).join('\n');
      const key = `route ${dnsDomain} ${outboundTrafficPolicy} ${input.name} ${routed}`;
      return cache.resource(key, () => outboundRouteFor(cache, { ...input, dnsDomain }));
    }),
  ];
}

function networkView(model: MeshModel, { network, requestedNetworks }: OutboundView): NetworkView {
  const networkGateways = sortedBy(
    model.networkGateways,
    ({ network: of, address = '', port }) => `${address} ${port} ${of}`,
  );
  const clusterGateways = sortedBy(model.clusterGateways, (each) => JSON.stringify(each));
  return { network, requestedNetworks, networkGateways, clusterGateways };
}

const keys = new WeakMap<MeshService, { full: string; name: string }>();

function keysOf(service: MeshService): { full: string; name: string } {
  const known = keys.get(service);
  if (known !== undefined) return known;
  const { hostname, name, namespace, addresses, headless, registry, endpoints } = service;
  const pods = headless ? endpoints.map(({ address }) => address) : [];
  const made = {
    full: JSON.stringify(service),
    name: JSON.stringify([hostname, name, namespace, addresses, headless, registry, pods]),
  };
  keys.set(service, made);
  return made;
}

/** Text of all that a service says; a service is immutable, so it is made once. */
function serviceKey(service: MeshService): string {
  return keysOf(service).full;
}

/** Text of what routes and names depend on: not of endpoints. */
function nameKey(service: MeshService): string {
  return keysOf(service).name;
}
