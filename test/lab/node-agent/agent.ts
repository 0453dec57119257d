import { join } from 'node:path';
import { Informer, resources, startAndSync } from '#kube';
import type { KubeClient, KubeLogger } from '#kube';
import { AddressPool } from '../pod/addresses.js';
import { Landmarks } from '../pod/landmarks.js';
import type { Pod } from '../pod/pod-types.js';
import { Limiter } from './limiter.js';
import { NodeRegistration } from './node-registration.js';
import { readRecords } from './pod-record.js';
import type { PodRecord } from './pod-record.js';
import { PodWorker } from './pod-worker.js';
import type { ApiService, NodeContext, NodeSettings } from './settings.js';

const sweepMs = 5000;
const apiServiceRetryMs = 100;
/** Starts at a time, of sandboxes and containers together. */
const startsAtOnce = 4;

interface ServiceObject {
  readonly metadata?: { readonly name?: string };
  readonly spec?: { readonly clusterIP?: string; readonly ports?: readonly { readonly port: number }[] };
}

/** Marks are named after the pod's uid first. */
function uidOf(id: string): string {
  return id.split('.')[0] ?? '';
}

/** The node: one worker per pod that is bound to it. Ends with the signal and leaves all containers running. */
export class NodeAgent {
  private readonly workers = new Map<string, PodWorker>();
  private context: NodeContext | undefined;

  constructor(
    private readonly settings: NodeSettings,
    private readonly client: KubeClient,
    private readonly logger: KubeLogger,
  ) {}

  async run(signal: AbortSignal): Promise<void> {
    const { settings, client, logger } = this;
    const registration = new NodeRegistration(client, settings, logger).run(signal);
    const mine = `spec.nodeName=${settings.node}`;
    const pods = new Informer<Pod>({ client, resource: resources.pods, fieldSelector: mine, logger });
    const configMaps: NodeContext['configMaps'] = new Informer({ client, resource: resources.configMaps, logger });
    const secrets: NodeContext['secrets'] = new Informer({ client, resource: resources.secrets, logger });
    await startAndSync([pods, configMaps, secrets], signal);
    const landmarks = new Landmarks(join(settings.state, 'landmarks'));
    this.context = {
      settings,
      client,
      logger,
      landmarks,
      addresses: new AddressPool(settings.podCidr, join(settings.state, 'addresses.json')),
      pods,
      configMaps,
      secrets,
      starts: new Limiter(startsAtOnce),
      apiService: await this.findApiService(signal),
      now: Date.now,
    };
    landmarks.follow((id) => this.workers.get(uidOf(id))?.mark(), signal);
    pods.onChange((_key, current, previous) => this.podChanged(this.context, current, previous));
    configMaps.onChange((key) => this.objectChanged('configMaps', key));
    secrets.onChange((key) => this.objectChanged('secrets', key));
    this.adopt(this.context);
    const sweeping = setInterval(() => this.sweep(), sweepMs);
    await registration;
    clearInterval(sweeping);
  }

  /** Takes up what an earlier agent has left, ends what nobody wants any more, starts what is new. */
  private adopt(context: NodeContext): void {
    const wanted = new Map(context.pods.list().map((pod) => [pod.metadata.uid, pod]));
    for (const record of readRecords(context.settings.state)) {
      const pod = wanted.get(record.uid);
      if (pod === undefined) this.endOrphan(context, record);
      else this.lead(context, pod, record);
    }
    const known = new Set(this.workers.keys());
    context.landmarks.keepOnly((id) => known.has(uidOf(id)));
    for (const pod of wanted.values()) if (!this.workers.has(pod.metadata.uid)) this.lead(context, pod);
    this.logger.info({ pods: this.workers.size }, 'node agent is ready');
  }

  private lead(context: NodeContext, pod: Pod, record?: PodRecord): void {
    const worker = new PodWorker(context, pod, record);
    this.workers.set(pod.metadata.uid, worker);
    void worker.run().then(() => {
      if (!context.pods.list().some(({ metadata }) => metadata.uid === pod.metadata.uid))
        this.workers.delete(pod.metadata.uid);
    });
  }

  private endOrphan(context: NodeContext, record: PodRecord): void {
    const { uid, name, namespace } = record;
    const containers = Object.keys(record.containers).map((container) => ({ name: container }));
    const worker = new PodWorker(context, { metadata: { uid, name, namespace }, spec: { containers } }, record);
    this.workers.set(uid, worker);
    worker.gone();
    void worker.run().then(() => this.workers.delete(uid));
  }

  private podChanged(context: NodeContext | undefined, current: Pod | undefined, previous: Pod | undefined): void {
    if (context === undefined) return;
    const before = previous?.metadata.uid;
    if (before !== undefined && before !== current?.metadata.uid) {
      this.workers.get(before)?.gone();
      // A worker that is through already is forgotten here; the others take themselves off the list.
      if (this.workers.get(before)?.isOver === true) this.workers.delete(before);
    }
    if (current === undefined) return;
    const worker = this.workers.get(current.metadata.uid);
    if (worker === undefined) this.lead(context, current);
    else worker.update(current);
  }

  private objectChanged(kind: 'configMaps' | 'secrets', key: string): void {
    const [namespace = '', name = ''] = key.split('/');
    for (const worker of this.workers.values()) if (worker.namespace === namespace) worker.objectChanged(kind, name);
  }

  private sweep(): void {
    for (const worker of this.workers.values()) worker.sweep();
  }

  private async findApiService(signal: AbortSignal): Promise<ApiService> {
    for (;;) {
      const service = await this.client
        .get<ServiceObject>('/api/v1/namespaces/default/services/kubernetes')
        .catch(() => undefined);
      const address = service?.spec?.clusterIP;
      if (address !== undefined) return { address, port: String(service?.spec?.ports?.[0]?.port ?? 443) };
      signal.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, apiServiceRetryMs));
    }
  }
}
