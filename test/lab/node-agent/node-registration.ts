import { arch, release } from 'node:os';
import { NotFoundError } from '#kube';
import type { KubeClient, KubeLogger } from '#kube';
import { allocatable } from './settings.js';
import { kubeletPort } from './log-server.js';
import type { NodeSettings } from './settings.js';

const leaseSeconds = 40;
const renewMs = 10_000;
const retryMs = 500;
/** The node's status is written again at this pace even if nothing changed, as the kubelet does. */
const statusMs = 300_000;

const conditions = [
  {
    type: 'MemoryPressure',
    status: 'False',
    reason: 'KubeletHasSufficientMemory',
    message: 'the lab looks after itself',
  },
  { type: 'DiskPressure', status: 'False', reason: 'KubeletHasNoDiskPressure', message: 'the lab looks after itself' },
  { type: 'PIDPressure', status: 'False', reason: 'KubeletHasSufficientPID', message: 'the lab looks after itself' },
  { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'the node agent of the lab is running' },
];

/** Keeps the Node object and its Lease up to date until the signal is aborted; whatever fails is tried again. */
export class NodeRegistration {
  private statusAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly client: KubeClient,
    private readonly settings: NodeSettings,
    private readonly logger: KubeLogger,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let waitMs = renewMs;
      try {
        if (Date.now() - this.statusAt > statusMs) await this.register();
        await this.renew();
      } catch (error) {
        if (signal.aborted) return;
        this.logger.warn({ err: error }, 'node could not be registered: trying again');
        // Without its Node object a node is nothing: after a loss of the API server's data it comes back at once.
        if (error instanceof NotFoundError) this.statusAt = Number.NEGATIVE_INFINITY;
        waitMs = retryMs;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
      });
    }
  }

  private async register(): Promise<void> {
    const { node, nodeIp, region, zone } = this.settings;
    const labels = {
      'kubernetes.io/hostname': node,
      'kubernetes.io/os': 'linux',
      'topology.kubernetes.io/region': region,
      'topology.kubernetes.io/zone': zone,
      'kubernetes.io/arch': arch() === 'x64' ? 'amd64' : arch(),
    };
    const head = { apiVersion: 'v1', kind: 'Node' };
    await this.client.apply({ ...head, metadata: { name: node, labels } }, { fieldManager: 'node-agent' });
    const now = new Date().toISOString();
    const status = {
      addresses: [
        { type: 'InternalIP', address: nodeIp },
        { type: 'Hostname', address: node },
      ],
      capacity: allocatable,
      allocatable,
      conditions: conditions.map((condition) => ({ ...condition, lastHeartbeatTime: now, lastTransitionTime: now })),
      nodeInfo: {
        machineID: node,
        systemUUID: node,
        bootID: node,
        kernelVersion: release(),
        osImage: 'isthmus lab',
        containerRuntimeVersion: 'process://1',
        kubeletVersion: 'v1.35.0-lab',
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: labels['kubernetes.io/arch'],
      },
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
    };
    // A merge: conditions that controllers add to the node stay.
    await this.client.patch(`/api/v1/nodes/${node}/status`, { status }, 'application/strategic-merge-patch+json');
    this.statusAt = Date.now();
  }

  private async renew(): Promise<void> {
    const name = this.settings.node;
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: 'kube-node-lease' },
      spec: {
        holderIdentity: name,
        leaseDurationSeconds: leaseSeconds,
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    };
    await this.client.apply(lease, { fieldManager: 'node-agent', timeoutMs: 5000 });
  }
}
