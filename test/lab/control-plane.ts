import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCa, writeCertifiedKey, writeTokenKeyPair } from './certificates.js';
import { network } from './plan.js';
import type { ClusterPlan, LabPlan } from './plan.js';
import type { ProcessSpec } from './supervisor.js';

/** Users of the static token file; the token is `<lab secret>-<user>`. */
const users = [
  { user: 'admin', groups: ['system:masters'] },
  { user: 'kube-controller-manager', groups: ['system:masters'] },
  { user: 'system:kube-scheduler', groups: [] },
  { user: 'system:kube-proxy', groups: [] },
  { user: 'coredns', groups: ['system:masters'] },
  { user: 'node-agent', groups: ['system:masters'] },
] as const;

type User = (typeof users)[number]['user'];

/** Paths of the files that give access to one cluster; all are readable inside and outside of the lab. */
export interface ClusterFiles {
  readonly kubeconfig: string;
  readonly apiCa: string;
  readonly adminToken: string;
  /** Root certificate of the authority that signs serving certificates of the lab (API server and door). */
  readonly serving: string;
}

export function filesOf(cluster: ClusterPlan): ClusterFiles {
  const at = (name: string): string => join(cluster.directory, name);
  return {
    kubeconfig: at('kubeconfig'),
    apiCa: at('ca.crt'),
    adminToken: at('admin.token'),
    serving: at('ca.crt'),
  };
}

/** Writes keys, certificates, tokens, kubeconfigs and the name server's configuration of one cluster. */
export async function writeClusterFiles(cluster: ClusterPlan, secret: string): Promise<void> {
  const { directory } = cluster;
  mkdirSync(join(directory, 'logs'), { recursive: true });
  const ca = await createCa(`lab ${cluster.name}`);
  writeCertifiedKey(directory, 'ca', ca);
  writeCertifiedKey(directory, 'apiserver', await ca.issue(apiNames(cluster)));
  writeCertifiedKey(directory, 'door', await ca.issue([cluster.doorAddress, `metadata.${cluster.name}.lab`]));
  writeTokenKeyPair(directory, 'service-accounts');
  const token = (user: User): string => `${secret}-${user.replace(':', '-')}`;
  const line = ({ user, groups }: (typeof users)[number]): string =>
    `${token(user)},${user},${user},"${groups.join(',')}"\n`;
  writeFileSync(join(directory, 'tokens.csv'), users.map(line).join(''), { mode: 0o600 });
  writeFileSync(filesOf(cluster).adminToken, token('admin'), { mode: 0o600 });
  const own = `https://${cluster.apiAddress}:${network.apiPort}`;
  for (const { user } of users.slice(1)) {
    writeFileSync(kubeconfigOf(cluster, user), kubeconfig(cluster.name, own, ca.certificate, token(user)), {
      mode: 0o600,
    });
  }
  const local = `https://127.0.0.1:${cluster.localApiPort}`;
  writeFileSync(filesOf(cluster).kubeconfig, kubeconfig(cluster.name, local, ca.certificate, token('admin')), {
    mode: 0o600,
  });
  writeFileSync(join(directory, 'Corefile'), corefile(cluster));
  writeFileSync(join(directory, 'audit-policy.json'), JSON.stringify(auditPolicy));
  writeFileSync(join(directory, 'kube-proxy.json'), JSON.stringify(kubeProxyConfiguration(cluster)));
}

function apiNames(cluster: ClusterPlan): readonly string[] {
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  return [
    ...service,
    `kubernetes.default.svc.${cluster.clusterDomain}`,
    'localhost',
    '127.0.0.1',
    network.apiService,
    cluster.apiAddress,
  ];
}

function kubeconfigOf(cluster: ClusterPlan, user: User): string {
  return join(cluster.directory, `${user.replace('system:', '')}.kubeconfig`);
}

function kubeconfig(name: string, server: string, ca: string, token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}

// Names outside of the cluster domain end here: nothing inside the lab asks the outer world.
function corefile(cluster: ClusterPlan): string {
  const zones = `${cluster.clusterDomain} in-addr.arpa ip6.arpa`;
  return `${zones} {
  bind ${cluster.dnsAddress}
  errors
  kubernetes ${zones} {
    kubeconfig ${kubeconfigOf(cluster, 'coredns')}
    pods insecure
    ttl 5
  }
}
. {
  bind ${cluster.dnsAddress}
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;
}

/** Processes without which there is no API server, in the order of their start. */
export function storageAndApi(plan: LabPlan, cluster: ClusterPlan): readonly ProcessSpec[] {
  const { parts } = plan;
  const file = (name: string): string => join(cluster.directory, name);
  return [
    spec(cluster, 'etcd', [parts.etcd, ...etcdFlags(cluster)]),
    spec(cluster, 'kube-apiserver', [
      parts['kube-apiserver'],
      '--etcd-servers=http://127.0.0.1:2379',
      '--bind-address=0.0.0.0',
      `--secure-port=${network.apiPort}`,
      `--advertise-address=${cluster.apiAddress}`,
      `--tls-cert-file=${file('apiserver.crt')}`,
      `--tls-private-key-file=${file('apiserver.key')}`,
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${file('service-accounts.pub')}`,
      `--service-account-signing-key-file=${file('service-accounts.key')}`,
      `--service-cluster-ip-range=${network.serviceCidr}`,
      '--allow-privileged=true',
      // `kubectl logs` goes to the node agent: node names resolve nowhere here.
      '--kubelet-preferred-address-types=InternalIP',
      '--profiling=false',
      '--event-ttl=10m',
      `--audit-policy-file=${file('audit-policy.json')}`,
      `--audit-log-path=${join(cluster.directory, 'logs/audit.log')}`,
      '--audit-log-maxsize=50',
      ...cluster.apiServerFlags,
    ]),
  ];
}

function etcdFlags(cluster: ClusterPlan): readonly string[] {
  return [
    `--name=${cluster.name}`,
    `--data-dir=${join(cluster.directory, 'etcd')}`,
    '--unsafe-no-fsync',
    '--listen-client-urls=http://127.0.0.1:2379',
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=http://127.0.0.1:2380',
    '--initial-advertise-peer-urls=http://127.0.0.1:2380',
    `--initial-cluster=${cluster.name}=http://127.0.0.1:2380`,
    '--logger=zap',
    '--log-level=warn',
  ];
}

/** Everything else of the control plane; each waits by itself for what it needs. */
export function controllersAndNetwork(plan: LabPlan, cluster: ClusterPlan): readonly ProcessSpec[] {
  const file = (name: string): string => join(cluster.directory, name);
  const { parts } = plan;
  return [
    spec(cluster, 'kube-controller-manager', [
      parts['kube-controller-manager'],
      `--kubeconfig=${kubeconfigOf(cluster, 'kube-controller-manager')}`,
      '--controllers=*,-nodeipam,-cloud-node-lifecycle',
      // The one node never dies, but its API server and etcd do, often: after 50 s of that all its pods would be taken for dead.
      '--node-monitor-grace-period=10m',
      `--service-account-private-key-file=${file('service-accounts.key')}`,
      `--root-ca-file=${file('ca.crt')}`,
      '--leader-elect=false',
      '--secure-port=0',
      '--kube-api-qps=200',
      '--kube-api-burst=400',
    ]),
    spec(cluster, 'kube-scheduler', [
      parts['kube-scheduler'],
      `--kubeconfig=${kubeconfigOf(cluster, 'system:kube-scheduler')}`,
      '--leader-elect=false',
      '--secure-port=0',
      '--kube-api-qps=200',
      '--kube-api-burst=400',
    ]),
    spec(cluster, 'kube-proxy', [parts['kube-proxy'], `--config=${file('kube-proxy.json')}`]),
    spec(cluster, 'coredns', [parts.coredns, '-conf', file('Corefile')]),
    spec(cluster, 'node-agent', nodeAgentCommand(plan, cluster)),
  ];
}

/** What our own service accounts ask of the API server is kept in `logs/audit.log`: which rights they need can be read there. */
const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Metadata', userGroups: ['system:serviceaccounts:isthmus-system', 'system:serviceaccounts:istio-system'] },
    { level: 'None' },
  ],
};

/** kube-proxy's configuration; the connection tracking limits of the machine are left alone. */
function kubeProxyConfiguration(cluster: ClusterPlan): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: kubeconfigOf(cluster, 'system:kube-proxy') },
    hostnameOverride: cluster.nodeName,
    clusterCIDR: cluster.podCidr,
    nodePortAddresses: ['primary'],
    metricsBindAddress: '127.0.0.1:10249',
    healthzBindAddress: '127.0.0.1:10256',
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    // One second by default: a new pod behind a Service would be found that much later.
    nftables: { minSyncPeriod: '100ms', syncPeriod: '30s' },
  };
}

function nodeAgentCommand(plan: LabPlan, cluster: ClusterPlan): readonly string[] {
  return [
    plan.node,
    join(plan.repository, 'dist/test/lab/node-agent/main.js'),
    '--kubeconfig',
    kubeconfigOf(cluster, 'node-agent'),
    '--node',
    cluster.nodeName,
    '--pod-bridge',
    network.podBridge,
    '--pod-cidr',
    cluster.podCidr,
    '--node-ip',
    cluster.nodeAddress,
    '--cluster-dns',
    network.dnsService,
    '--cluster-domain',
    cluster.clusterDomain,
    '--region',
    cluster.region,
    '--zone',
    cluster.zone,
    '--images',
    join(plan.directory, 'images.json'),
    '--state',
    join(cluster.directory, 'node'),
  ];
}

function spec(cluster: ClusterPlan, name: string, command: readonly string[]): ProcessSpec {
  return {
    cluster: cluster.name,
    name,
    netns: cluster.netns,
    command,
    logFile: join(cluster.directory, 'logs', `${name}.log`),
  };
}
