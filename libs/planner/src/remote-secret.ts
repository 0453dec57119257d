import type { Secret } from '#istio-api';
import { annotations, labels, remoteSecretName } from '#model';
import { producedLabels } from './mesh-facts.js';

/** What a local reader needs to reach one peer's API server through the way out. */
export interface RemoteAccess {
  /** Name of the IstioMulticluster. */
  readonly name: string;
  readonly clusterID: string;
  /** URL with the peer's path, for instance `https://isthmus-way-out.isthmus-system.svc/peers/west`. */
  readonly server: string;
  /** PEM that the way out's certificate is checked against. */
  readonly ca: string;
  readonly credential: string;
}

export interface RemoteSecretOrder extends RemoteAccess {
  readonly namespace: string;
  readonly trustDomain: string;
  /** `spec.stalePolicy` as JSON; absent = Keep. */
  readonly stalePolicy?: string;
}

/**
 * The Secret by which a mesh core (ours, or istiod) reads a peer's API server, in the layout of `istioctl create-remote-secret`. It
 * holds nothing that rotates: key and certificate of both sides change behind the way out.
 */
export function remoteSecretFor(order: RemoteSecretOrder): Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      namespace: order.namespace,
      name: remoteSecretName(order.name),
      labels: { ...producedLabels, [labels.multiCluster]: 'true', [labels.peerName]: order.name },
      annotations: {
        [annotations.remoteCluster]: order.clusterID,
        [annotations.trustDomain]: order.trustDomain,
        ...(order.stalePolicy === undefined ? {} : { [annotations.stalePolicy]: order.stalePolicy }),
      },
    },
    data: { [order.clusterID]: Buffer.from(kubeconfigFor(order), 'utf8').toString('base64') },
  };
}

/** A kubeconfig (JSON, which is YAML) for one peer's API server through the way out; the same input gives the same bytes. */
export function kubeconfigFor({ clusterID, server, ca, credential }: RemoteAccess): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: clusterID,
        cluster: { server, 'certificate-authority-data': Buffer.from(ca, 'utf8').toString('base64') },
      },
    ],
    users: [{ name: clusterID, user: { token: credential } }],
    contexts: [{ name: clusterID, context: { cluster: clusterID, user: clusterID } }],
    'current-context': clusterID,
  });
}
