import type { KubernetesObject, ObjectMeta } from '#istio-api';
import { labels, peerAccountName } from '#model';
import { producedLabels } from './mesh-facts.js';

/** ClusterRoles of the chart: what every multicluster peer may read, and the reviews of those with `allowReviews`. */
export const peerReaderRole = 'isthmus-peer-reader';
export const peerReviewerRole = 'isthmus-peer-reviewer';

/**
 * The service account as which one peer's API requests are made, and its rights: the reader role everywhere, unless an operator keeps it to
 * RoleBindings of his own (`isthmus.dev/default-reader: "false"`); the reviewer role where `allowReviews` is set.
 */
export function peerAccountFor(
  name: string,
  namespace: string,
  grants: { readonly reads: boolean; readonly reviews: boolean },
): readonly KubernetesObject[] {
  const account = peerAccountName(name);
  const common: ObjectMeta = { labels: { ...producedLabels, [labels.peerName]: name } };
  const serviceAccount = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { ...common, namespace, name: account },
    automountServiceAccountToken: false,
  };
  const binding = (suffix: string, role: string): KubernetesObject => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { ...common, name: `isthmus-${account}${suffix}` },
    ...{ roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role } },
    ...{ subjects: [{ kind: 'ServiceAccount', name: account, namespace }] },
  });
  return [
    serviceAccount,
    ...(grants.reads ? [binding('', peerReaderRole)] : []),
    ...(grants.reviews ? [binding('.reviewer', peerReviewerRole)] : []),
  ];
}
