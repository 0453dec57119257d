import { join } from 'node:path';

/** Everything about one cluster of the lab that is known before it runs. Addresses are those of its network namespace. */
export interface ClusterPlan {
  readonly name: string;
  /** 1-based; the third byte of the cluster's WAN range. */
  readonly index: number;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly network: string;
  readonly netns: string;
  readonly nodeName: string;
  /** Next hop towards the cluster on the network that joins all of them. */
  readonly wanAddress: string;
  readonly apiAddress: string;
  readonly nodeAddress: string;
  readonly dnsAddress: string;
  readonly storeAddress: string;
  readonly doorAddress: string;
  readonly gatewayAddress: string;
  /** First three bytes of the range from which LoadBalancer Services get their addresses, `.10` to `.99`. */
  readonly range: string;
  /** Port on 127.0.0.1, inside the cluster's namespace and outside of the lab, at which its API server answers. */
  readonly localApiPort: number;
  readonly apiServerFlags: readonly string[];
  readonly podCidr: string;
  /** Indexes of the clusters whose pods this one's reach directly; theirs is another part of the pod range. */
  readonly flatWith: readonly number[];
  readonly region: string;
  readonly zone: string;
  readonly directory: string;
}

/** What the process inside the lab's namespaces is told. */
export interface LabPlan {
  readonly directory: string;
  readonly clusters: readonly ClusterPlan[];
  readonly parts: PartPaths;
  readonly repository: string;
  readonly node: string;
}

/** The real parts that the lab starts, as the set-up step names them. */
export const labParts = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
  'coredns',
  'helm',
  'envoy',
  'pilot-agent',
  'envoy-bootstrap',
  'istio-crds',
] as const;

/** Absolute path of each part. */
export type PartPaths = Readonly<Record<(typeof labParts)[number], string>>;

export const network = {
  podCidr: '10.244.0.0/16',
  podBridge: 'pods',
  serviceCidr: '10.96.0.0/16',
  apiService: '10.96.0.1',
  dnsService: '10.96.0.10',
  apiPort: 6443,
  /** Local in every cluster's namespace: free to bind for a process that plays a peer. */
  guestCidr: '10.10.200.0/24',
  /** Address of the lab's own end of the joining network. */
  hub: '10.10.0.254',
  firstLoadBalancer: 10,
  lastLoadBalancer: 99,
} as const;

const clusterNames = ['east', 'west', 'north', 'south'];

/** Name of the n-th cluster (1-based): the four winds, then `cluster-5` and on. */
export function clusterName(index: number): string {
  return clusterNames[index - 1] ?? `cluster-${index}`;
}

/** What differs between labs. */
export interface ClusterWish {
  readonly apiServerFlags?: readonly string[];
  /** One cluster domain for all; the first two on one network. */
  readonly multicluster?: boolean;
  /** One trust domain for all, each with a root of its own. */
  readonly trustDomain?: string | undefined;
}

type Place = Pick<ClusterPlan, 'network' | 'podCidr' | 'flatWith' | 'region' | 'zone'>;

function sovereign(name: string): Place {
  return { network: `network-${name}`, podCidr: network.podCidr, flatWith: [], region: `region-${name}`, zone: 'a' };
}

/** The first two stand in one region on one flat network, each with its half of the pod range; every other one by itself. */
function coDependent(index: number, name: string): Place {
  if (index > 2) return sovereign(name);
  const first = index === 1;
  return {
    network: 'network-1',
    podCidr: first ? '10.244.0.0/17' : '10.244.128.0/17',
    flatWith: [first ? 2 : 1],
    region: 'region-1',
    zone: first ? 'a' : 'b',
  };
}

/** Plan of the n-th cluster; `localApiPort` is a free TCP port outside of the lab. */
export function clusterPlan(
  index: number,
  directory: string,
  localApiPort: number,
  { apiServerFlags = [], multicluster = false, trustDomain }: ClusterWish = {},
): ClusterPlan {
  const name = clusterName(index);
  const range = `10.10.${index}`;
  return {
    name,
    index,
    clusterDomain: multicluster ? 'cluster.local' : `${name}.example`,
    trustDomain: trustDomain ?? `${name}.example`,
    ...(multicluster ? coDependent(index, name) : sovereign(name)),
    netns: `c${index}`,
    nodeName: `${name}-node`,
    wanAddress: `10.10.0.${index}`,
    apiAddress: `${range}.1`,
    nodeAddress: `${range}.2`,
    dnsAddress: `${range}.3`,
    storeAddress: `${range}.4`,
    doorAddress: `${range}.10`,
    gatewayAddress: `${range}.11`,
    range,
    localApiPort,
    apiServerFlags,
    directory: join(directory, name),
  };
}
