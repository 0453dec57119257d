import type { Informer, KubeClient, KubeLogger } from '#kube';
import type { AddressPool } from '../pod/addresses.js';
import type { Landmarks } from '../pod/landmarks.js';
import type { ConfigMapObject, Pod, SecretObject } from '../pod/pod-types.js';
import type { Limiter } from './limiter.js';

/** What the command line says. */
export interface NodeSettings {
  readonly kubeconfig: string;
  readonly node: string;
  readonly podBridge: string;
  readonly podCidr: string;
  readonly nodeIp: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  readonly region: string;
  readonly zone: string;
  /** File that maps image names to local commands. */
  readonly images: string;
  readonly state: string;
  /** Folder in memory for emptyDir volumes of medium Memory. */
  readonly memory: string;
  /** Folders of the machine that every container sees read-only at their own paths. */
  readonly shown: readonly string[];
}

/** What the node offers; also the limit of containers that state none. */
export const allocatable: Readonly<Record<string, string>> = {
  cpu: '64',
  memory: '64Gi',
  'ephemeral-storage': '100Gi',
  pods: '500',
};

/** Where pods find the API server: the Service `kubernetes`. */
export interface ApiService {
  readonly address: string;
  readonly port: string;
}

/** Everything that the pods of one node share. */
export interface NodeContext {
  readonly settings: NodeSettings;
  readonly client: KubeClient;
  readonly logger: KubeLogger;
  readonly landmarks: Landmarks;
  readonly addresses: AddressPool;
  readonly pods: Informer<Pod>;
  readonly configMaps: Informer<ConfigMapObject & { metadata: { name: string; namespace: string } }>;
  readonly secrets: Informer<SecretObject & { metadata: { name: string; namespace: string } }>;
  /** Starts at the same time; more would only make each slower. */
  readonly starts: Limiter;
  readonly apiService: ApiService;
  /** Unix ms. */
  readonly now: () => number;
}
