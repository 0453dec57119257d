import { KubeApiError, kubeErrorFrom, pathFor, resources, type KubeClient, type KubeLogger } from '#kube';
import type { Clock } from '#model';
import { ClusterInformers, type RegistryObjects } from './cluster-informers.js';

export interface RemoteClusterOptions {
  readonly clusterID: string;
  readonly client: KubeClient;
  readonly logger: KubeLogger;
  readonly clock: Clock;
  /** Something that a model is made of has changed, or what is told about this cluster has. */
  readonly onChange: () => void;
  readonly onStatus: () => void;
  /** How often a quiet cluster is asked whether it is there. */
  readonly probeEveryMs?: number;
}

const defaultProbeMs = 10_000;
const probeTimeoutMs = 5_000;
const stableMs = 1_000;

/**
 * Reads one other cluster's registry and says how well that goes. What it shows is always a whole: while the cluster is silent, and while
 * it is being read anew after it came back, the last complete state.
 */
export class RemoteCluster {
  /** Settles when everything has been read once. */
  readonly synced: Promise<void>;
  /** Settles with its first answer or its first failure. */
  readonly firstSign: Promise<void>;
  readonly #options: RemoteClusterOptions;
  readonly #informers: ClusterInformers;
  readonly #stop = new AbortController();
  readonly #errors = new Map<string, string>();
  readonly #failures = new Map<string, number>();
  #markSign: () => void = () => undefined;
  #isSynced = false;
  #shown: RegistryObjects | undefined;
  #lastContact = 0;
  #failing = false;
  #probing = false;
  #probe: NodeJS.Timeout | undefined;

  constructor(options: RemoteClusterOptions) {
    this.#options = options;
    const { client, logger } = options;
    this.firstSign = new Promise((resolve) => (this.#markSign = resolve));
    // What fails is told once by `#note`, not by each of five informers every three seconds.
    const quiet: KubeLogger['debug'] = (fields, message) => logger.debug(fields, message);
    const loud: KubeLogger['error'] = (fields, message) => logger.error(fields, message);
    this.#informers = new ClusterInformers({
      client,
      logger: { debug: quiet, info: quiet, warn: quiet, error: loud },
      nodes: true,
      remote: true,
      observer: (resource) => ({
        heard: () => this.#heard(resource),
        opened: () => this.#opened(resource),
        // What others of the five have brought may have waited for this one, which itself brings nothing new.
        listed: () => this.#isSynced && this.#options.onChange(),
        failed: (error) => this.#failed(resource, error),
      }),
    });
    this.synced = this.#informers.synced().then(() => this.#complete());
    this.synced.catch(() => undefined);
  }

  start(): void {
    const { probeEveryMs = defaultProbeMs } = this.#options;
    this.#informers.onChange(() => {
      if (this.#isSynced) this.#options.onChange();
    });
    this.#informers.start(this.#stop.signal);
    this.#probe = setInterval(() => {
      if (this.#failing || this.#options.clock.now() - this.#lastContact >= probeEveryMs) void this.#ask();
    }, probeEveryMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#probe);
    this.#stop.abort(new Error('this cluster is not read any more'));
    await this.#options.client.close();
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** True once it has answered anything at all. */
  get wasHeard(): boolean {
    return this.#lastContact > 0;
  }

  /** Unix milliseconds of its last sign of life; 0 = never. */
  get lastContact(): number {
    return this.#lastContact;
  }

  /** Why it cannot be read now, or cannot be read as a whole. */
  get error(): string | undefined {
    const [error] = this.#errors.values();
    return error;
  }

  /** Unix milliseconds of its last sign of life, while it gives no proper answer; undefined while it does, and before the first one. */
  get silentSince(): number | undefined {
    return this.#failing && this.wasHeard ? this.#lastContact : undefined;
  }

  /** The last complete state; undefined before there was one. */
  get objects(): RegistryObjects | undefined {
    if (this.#isSynced && !this.#informers.relisting) this.#shown = this.#informers.objects;
    return this.#shown;
  }

  #complete(): void {
    this.#isSynced = true;
    const { clusterID, logger, onChange } = this.#options;
    const { services, endpointSlices, pods } = this.#informers.objects;
    const counts = { services: services.length, endpointSlices: endpointSlices.length, pods: pods.length };
    logger.info({ cluster: clusterID, ...counts }, 'remote cluster has been read');
    onChange();
  }

  #heard(resource: string): void {
    this.#lastContact = this.#options.clock.now();
    this.#markSign();
    const recovered = this.#errors.delete(resource);
    this.#answers();
    if (recovered) this.#options.onStatus();
  }

  /** It answers: whatever was withdrawn for its silence comes back. */
  #answers(): void {
    this.#errors.delete('probe');
    if (!this.#failing) return;
    this.#failing = false;
    this.#options.logger.info({ cluster: this.#options.clusterID }, 'remote cluster answers again');
    this.#options.onChange();
    this.#options.onStatus();
  }

  /** A watch that still stands after a moment is as good as one on which something was heard: a wrong answer fails at once. */
  #opened(resource: string): void {
    const failures = this.#failures.get(resource);
    setTimeout(() => {
      if (this.#failures.get(resource) !== failures || this.#stop.signal.aborted) return;
      if (this.#errors.delete(resource)) this.#options.onStatus();
    }, stableMs).unref();
  }

  #failed(resource: string, error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#failures.set(resource, (this.#failures.get(resource) ?? 0) + 1);
    this.#note(resource, error);
    void this.#ask();
  }

  #note(what: string, error: unknown): void {
    const { clusterID, logger, onStatus } = this.#options;
    const text = messageOf(error);
    this.#markSign();
    const isNew = !this.#errors.has(what) && this.#errors.size === 0;
    const changed = this.#errors.get(what) !== text;
    this.#errors.set(what, text);
    if (isNew) logger.warn({ cluster: clusterID, err: error }, 'remote cluster cannot be read; the last state stays');
    if (changed) onStatus();
  }

  /** One small question; its answer, not a watch that happens to be quiet, says whether the cluster is there. */
  async #ask(): Promise<void> {
    if (this.#probing || this.#stop.signal.aborted) return;
    this.#probing = true;
    const { client, clock, onChange } = this.#options;
    try {
      const path = pathFor(resources.namespaces);
      const timeoutMs = probeTimeoutMs;
      const { status, body } = await client.request({ method: 'GET', path, query: { limit: 1 }, timeoutMs });
      if (status !== 200) throw kubeErrorFrom(status, body, { method: 'GET', path });
      if (!body.startsWith('{')) throw new Error(`GET ${path}: the answer is not the Kubernetes API's`);
      this.#lastContact = clock.now();
      this.#answers();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#note('probe', error);
      if (this.#failing) return;
      this.#failing = true;
      onChange();
    } finally {
      this.#probing = false;
    }
  }
}

/** Of an answer the Status' own words: what may be done about it in our own cluster helps nobody in another. */
function messageOf(error: unknown): string {
  if (error instanceof KubeApiError)
    return `${error.request.method} ${error.request.path}: HTTP ${error.status}: ${error.said}`.slice(0, 300);
  return (error instanceof Error ? error.message : String(error)).slice(0, 300);
}
