import type {
  AuthorizationPolicy,
  ConfigMap,
  DestinationRule,
  EndpointSlice,
  Gateway,
  Node,
  PeerAuthentication,
  Pod,
  Secret,
  Service,
  ServiceEntry,
} from '#istio-api';
import { Informer, resources } from '#kube';
import type { ApiObject, InformerOptions, KubeClient, KubeLogger, ResourcePath } from '#kube';
import { labels, names } from '#model';
import { producedSelector } from '#planner';
import type { ControllerConfig } from './config.js';

/** Every collection the controller reads, as always converging local copies. */
export interface World {
  readonly federations: Informer<ApiObject>;
  /** Endpoints of this cluster's own API server. */
  readonly apiEndpoints: Informer<EndpointSlice & ApiObject>;
  /** Undefined where the scheme is off: nothing is asked of the API server then. */
  readonly multiclusters: Informer<ApiObject> | undefined;
  readonly services: Informer<Service & ApiObject>;
  readonly pods: Informer<Pod & ApiObject>;
  readonly nodes: Informer<Node & ApiObject> | undefined;
  readonly configMaps: Informer<ConfigMap & ApiObject>;
  /** Secrets of the release namespace that Isthmus wrote. */
  readonly secrets: Informer<Secret & ApiObject>;
  /** Private documents, in the peers' namespace. */
  readonly documents: Informer<Secret & ApiObject>;
  readonly serviceEntries: Informer<ServiceEntry & ApiObject>;
  readonly destinationRules: Informer<DestinationRule & ApiObject>;
  readonly gateways: Informer<Gateway & ApiObject>;
  readonly authorizationPolicies: Informer<AuthorizationPolicy & ApiObject>;
  /** Of the whole mesh. */
  readonly peerAuthentications: Informer<PeerAuthentication & ApiObject>;
  /** What our mesh core says of remote clusters; in the root namespace, where it runs and the scheme is on. */
  readonly remoteClusters: Informer<ConfigMap & ApiObject> | undefined;
  /** Istio's mesh configuration, there too, where the scheme is on or a stock istiod runs. */
  readonly meshConfig: Informer<ConfigMap & ApiObject> | undefined;
  readonly peerAccounts: Informer<ApiObject> | undefined;
  readonly peerBindings: Informer<ApiObject> | undefined;
  start(signal: AbortSignal): Promise<void>;
}

export function createWorld(client: KubeClient, config: ControllerConfig, logger: KubeLogger): World {
  const { mesh, peersNamespace } = config;
  const all: Informer<never>[] = [];
  const informer = <T extends ApiObject>(
    resource: ResourcePath,
    namespace?: string,
    labelSelector?: string,
    more: Pick<InformerOptions<T>, 'transform' | 'fieldSelector'> = {},
  ): Informer<T> => {
    const made = new Informer<T>({ client, resource, namespace, labelSelector, logger, ...more });
    all.push(made as unknown as Informer<never>);
    return made;
  };
  const { multiclusterEnabled, meshEnabled } = config;
  const oneConfigMap = (name: string): Informer<ConfigMap & ApiObject> =>
    informer(resources.configMaps, mesh.rootNamespace, undefined, { fieldSelector: `metadata.name=${name}` });
  return {
    federations: informer(resources.istioFederations),
    apiEndpoints: informer<EndpointSlice & ApiObject>(resources.endpointSlices, 'default', undefined, {
      fieldSelector: 'metadata.name=kubernetes',
    }),
    multiclusters: multiclusterEnabled ? informer(resources.istioMulticlusters) : undefined,
    services: informer(resources.services),
    pods: informer(resources.pods, undefined, undefined, { transform: leanPod }),
    nodes: config.readNodes ? informer(resources.nodes) : undefined,
    configMaps: informer(resources.configMaps, mesh.releaseNamespace),
    secrets: informer(resources.secrets, mesh.releaseNamespace, `${labels.managedBy}=${labels.managedByValue}`),
    documents: informer(resources.secrets, peersNamespace, producedSelector),
    serviceEntries: informer(resources.serviceEntries, mesh.importsNamespace, producedSelector),
    destinationRules: informer(resources.destinationRules, mesh.importsNamespace, producedSelector),
    gateways: informer(resources.gateways, mesh.releaseNamespace, producedSelector),
    authorizationPolicies: informer(resources.authorizationPolicies, mesh.rootNamespace, producedSelector),
    peerAuthentications: informer(resources.peerAuthentications),
    remoteClusters: multiclusterEnabled && meshEnabled ? oneConfigMap(names.remoteClustersConfigMap) : undefined,
    meshConfig: multiclusterEnabled || !meshEnabled ? oneConfigMap(names.meshConfigMap) : undefined,
    peerAccounts: multiclusterEnabled
      ? informer(resources.serviceAccounts, peersNamespace, producedSelector)
      : undefined,
    peerBindings: multiclusterEnabled
      ? informer(resources.clusterRoleBindings, undefined, producedSelector)
      : undefined,
    start: async (signal) => {
      for (const each of all) each.start(signal);
      await Promise.all(all.map((each) => each.synced));
    },
  };
}

/** IP addresses of this cluster's own API server, of its Service and behind it, which peers must not name (trust rule 15). */
export function apiServerAddresses({
  apiEndpoints,
  services,
}: Pick<World, 'apiEndpoints' | 'services'>): readonly string[] {
  const service = services.get('default', 'kubernetes')?.spec;
  return [
    ...(service?.clusterIPs ?? [service?.clusterIP ?? []].flat()),
    ...apiEndpoints.list().flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses)),
  ];
}

/** What exports ask of a pod: labels, identity, named ports, whether a sidecar stands in it, readiness. */
function leanPod(pod: Pod & ApiObject): Pod & ApiObject {
  const { metadata, spec, status } = pod;
  const containers = (spec?.containers ?? []).map(({ name, ports }) => ({
    name,
    ...(ports === undefined ? {} : { ports }),
  }));
  return {
    ...(pod.apiVersion === undefined ? {} : { apiVersion: pod.apiVersion }),
    ...(pod.kind === undefined ? {} : { kind: pod.kind }),
    metadata: { ...metadata },
    spec: { ...(spec as object), containers, initContainers: undefined, volumes: undefined } as unknown as NonNullable<
      Pod['spec']
    >,
    ...(status === undefined ? {} : { status }),
  } as Pod & ApiObject;
}
