import type { KubernetesObject, ObjectMeta } from '#istio-api';
import { labels, peerAccountName } from '#model';
import { producedLabels } from './mesh-facts.js';

/** ClusterRole of the chart with what every multicluster peer may read. */
export const peerReaderRole = 'isthmus-peer-reader';

/**
 * The service account as which one peer's API requests are made, and its rights: the reader role everywhere, unless an operator keeps it to
 * RoleBindings of his own (`isthmus.dev/default-reader: "false"`).
 */
export function peerAccountFor(
  name: string,
  namespace: string,
  defaultReader: boolean,
): readonly (KubernetesObject & Readonly<Record<string, unknown>>)[] {
  const account = peerAccountName(name);
  const common: ObjectMeta = { labels: { ...producedLabels, [labels.peerName]: name } };
  const serviceAccount = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { ...common, namespace, name: account },
    automountServiceAccountToken: false,
  };
  if (!defaultReader) return [serviceAccount];
  return [
    serviceAccount,
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { ...common, name: `isthmus-${account}` },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: peerReaderRole },
      subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
    },
  ];
}
