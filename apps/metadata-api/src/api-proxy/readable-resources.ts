/** Readable kinds by group, as Istio's own reader role has them, without Secrets. The chart's ClusterRole `isthmus-peer-reader` is the same list. */
export const readableResources: Readonly<Record<string, readonly string[]>> = {
  '': ['endpoints', 'namespaces', 'nodes', 'pods', 'replicationcontrollers', 'services'],
  'apiextensions.k8s.io': ['customresourcedefinitions'],
  apps: ['replicasets'],
  'discovery.k8s.io': ['endpointslices'],
  'multicluster.x-k8s.io': ['serviceexports', 'serviceimports'],
};

/** Groups that hold nothing but mesh and gateway configuration: every kind in them may be read. */
export const readableGroups: readonly string[] = [
  'authentication.istio.io',
  'config.istio.io',
  'extensions.istio.io',
  'gateway.networking.k8s.io',
  'gateway.networking.x-k8s.io',
  'networking.istio.io',
  'rbac.istio.io',
  'security.istio.io',
  'telemetry.istio.io',
];

/** What a peer with `allowReviews` may create. */
export const reviewResources: Readonly<Record<string, string>> = {
  'authentication.k8s.io': 'tokenreviews',
  'authorization.k8s.io': 'subjectaccessreviews',
};

/** Words that mean something else than a kind where the API server reads paths. */
const notKinds = new Set(['watch', 'proxy', 'namespaces']);

/** Whether a peer may get, list and watch this kind. */
export function isReadable(group: string, resource: string): boolean {
  if (readableGroups.includes(group)) return /^[a-z][a-z0-9]*$/.test(resource) && !notKinds.has(resource);
  return Object.hasOwn(readableResources, group) && readableResources[group]?.includes(resource) === true;
}

/** Whether the group's discovery documents may be read. */
export function isReadableGroup(group: string): boolean {
  return readableGroups.includes(group) || (group !== '' && Object.hasOwn(readableResources, group));
}
