import type { ApiObject } from './object.js';

/** Where the objects of one kind live in the Kubernetes API. `apiVersion` is `v1` or `group/version`. */
export interface ResourcePath {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

function namespaced(apiVersion: string, kind: string, plural = pluralOf(kind)): ResourcePath {
  return { apiVersion, kind, plural, namespaced: true };
}

function clusterScoped(apiVersion: string, kind: string, plural = pluralOf(kind)): ResourcePath {
  return { apiVersion, kind, plural, namespaced: false };
}

function pluralOf(kind: string): string {
  const lower = kind.toLowerCase();
  if (/(s|x|ch|sh)$/.test(lower)) return `${lower}es`;
  return /[^aeiou]y$/.test(lower) ? `${lower.slice(0, -1)}ies` : `${lower}s`;
}

/** Every kind that Isthmus reads or writes. A kind that is missing here cannot be applied: add its line. */
export const resources = {
  services: namespaced('v1', 'Service'),
  endpoints: namespaced('v1', 'Endpoints', 'endpoints'),
  pods: namespaced('v1', 'Pod'),
  secrets: namespaced('v1', 'Secret'),
  configMaps: namespaced('v1', 'ConfigMap'),
  serviceAccounts: namespaced('v1', 'ServiceAccount'),
  namespaces: clusterScoped('v1', 'Namespace'),
  nodes: clusterScoped('v1', 'Node'),
  endpointSlices: namespaced('discovery.k8s.io/v1', 'EndpointSlice'),
  leases: namespaced('coordination.k8s.io/v1', 'Lease'),
  events: namespaced('events.k8s.io/v1', 'Event'),
  deployments: namespaced('apps/v1', 'Deployment'),
  daemonSets: namespaced('apps/v1', 'DaemonSet'),
  replicaSets: namespaced('apps/v1', 'ReplicaSet'),
  roles: namespaced('rbac.authorization.k8s.io/v1', 'Role'),
  roleBindings: namespaced('rbac.authorization.k8s.io/v1', 'RoleBinding'),
  clusterRoles: clusterScoped('rbac.authorization.k8s.io/v1', 'ClusterRole'),
  clusterRoleBindings: clusterScoped('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding'),
  customResourceDefinitions: clusterScoped('apiextensions.k8s.io/v1', 'CustomResourceDefinition'),
  tokenReviews: clusterScoped('authentication.k8s.io/v1', 'TokenReview'),
  subjectAccessReviews: clusterScoped('authorization.k8s.io/v1', 'SubjectAccessReview'),
  istioFederations: clusterScoped('isthmus.dev/v1alpha1', 'IstioFederation'),
  istioMulticlusters: clusterScoped('isthmus.dev/v1alpha1', 'IstioMulticluster'),
  serviceEntries: namespaced('networking.istio.io/v1', 'ServiceEntry'),
  destinationRules: namespaced('networking.istio.io/v1', 'DestinationRule'),
  virtualServices: namespaced('networking.istio.io/v1', 'VirtualService'),
  gateways: namespaced('networking.istio.io/v1', 'Gateway'),
  sidecars: namespaced('networking.istio.io/v1', 'Sidecar'),
  workloadEntries: namespaced('networking.istio.io/v1', 'WorkloadEntry'),
  authorizationPolicies: namespaced('security.istio.io/v1', 'AuthorizationPolicy'),
  peerAuthentications: namespaced('security.istio.io/v1', 'PeerAuthentication'),
  requestAuthentications: namespaced('security.istio.io/v1', 'RequestAuthentication'),
  telemetries: namespaced('telemetry.istio.io/v1', 'Telemetry'),
} as const satisfies Readonly<Record<string, ResourcePath>>;

const byGroupKind = new Map<string, ResourcePath>(
  Object.values(resources).map((resource) => [groupKind(resource.apiVersion, resource.kind), resource]),
);

function groupKind(apiVersion: string, kind: string): string {
  const slash = apiVersion.indexOf('/');
  return `${slash < 0 ? '' : apiVersion.slice(0, slash)}/${kind}`;
}

/** Resource of an object by its group and kind, in the object's own version; throws for a kind not in `resources`. */
export function resourceOf(object: ApiObject): ResourcePath {
  const { apiVersion = '', kind = '' } = object;
  const known = byGroupKind.get(groupKind(apiVersion, kind));
  if (known === undefined) {
    throw new Error(
      `no resource is known for ${apiVersion} ${kind}: add it to "resources" in libs/kube/src/resource.ts`,
    );
  }
  return known.apiVersion === apiVersion ? known : { ...known, apiVersion };
}

/** Identity of an object across resources, independent of the API version it was read in. */
export function objectIdentity(object: ApiObject): string {
  const { namespace = '', name = '' } = object.metadata ?? {};
  return `${groupKind(object.apiVersion ?? '', object.kind ?? '')}/${namespace}/${name}`;
}

/** Which object or collection below a resource. */
export interface ObjectPlace {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** URL path of a collection (`name` absent) or object, for instance `/api/v1/namespaces/a/secrets/b`. */
export function pathFor(resource: ResourcePath, place: ObjectPlace = {}): string {
  const { apiVersion, plural } = resource;
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const inNamespace =
    resource.namespaced && place.namespace !== undefined ? `/namespaces/${encodeURIComponent(place.namespace)}` : '';
  if (resource.namespaced && place.name !== undefined && place.namespace === undefined) {
    throw new Error(`${resource.kind} ${place.name}: metadata.namespace is missing; this kind is namespaced`);
  }
  const named = place.name === undefined ? '' : `/${encodeURIComponent(place.name)}`;
  const sub = place.subresource === undefined ? '' : `/${place.subresource}`;
  return `${base}${inNamespace}/${plural}${named}${sub}`;
}

/** URL path of this very object. */
export function pathOfObject(object: ApiObject, subresource?: string): string {
  const { namespace, name } = object.metadata ?? {};
  if (name === undefined || name === '') throw new Error(`${object.kind ?? 'object'}: metadata.name is missing`);
  return pathFor(resourceOf(object), { namespace, name, subresource });
}
