import { pathFor, resources, NotFoundError, type ApiObject, type KubeClient, type KubeLogger } from '#kube';
import { names, type Clock } from '#model';

/** What is told of one cluster: how far it has been read, and when it last answered (Unix ms; 0 = never). */
export interface ClusterReport {
  readonly synced: boolean;
  readonly lastContact: number;
  readonly services: number;
  readonly endpoints: number;
  readonly error?: string;
}

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly logger: KubeLogger;
  readonly clock: Clock;
  readonly rootNamespace: string;
  /** Key under which this replica writes. */
  readonly podName: string;
  /** Reports by cluster ID, as they stand. */
  readonly reports: () => Readonly<Record<string, ClusterReport>>;
}

const leastGapMs = 2_000;
/** A failing cluster's age is told again this often. */
const repeatMs = 30_000;
const fieldManager = 'isthmus-mesh';

/**
 * Tells the controller how far this replica has read other clusters: one key in ConfigMap `isthmus-remote-clusters`, written when something
 * changed and not more often than every two seconds. Each replica owns its key; nobody else's is touched.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  #written = '';
  #writtenAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing = false;
  #stopped = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  start(signal: AbortSignal): void {
    const repeat = setInterval(() => this.changed(), repeatMs).unref();
    signal.addEventListener(
      'abort',
      () => {
        this.#stopped = true;
        clearInterval(repeat);
        clearTimeout(this.#timer);
      },
      { once: true },
    );
    this.changed();
  }

  /** Something that is told may have changed. */
  changed(): void {
    if (this.#stopped || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#writtenAt + leastGapMs - this.#options.clock.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#write();
    }, wait).unref();
  }

  async #write(): Promise<void> {
    if (this.#writing) {
      this.changed();
      return;
    }
    const { clock, logger, reports } = this.#options;
    const clusters = reports();
    const told = JSON.stringify(clusters, (key, value: unknown) => (key === 'lastContact' ? undefined : value));
    const failing = Object.values(clusters).some(({ error }) => error !== undefined);
    const now = clock.now();
    if (told === this.#written && !(failing && now - this.#writtenAt >= repeatMs)) return;
    this.#writing = true;
    this.#writtenAt = now;
    try {
      await this.#put(JSON.stringify({ clusters, at: now }));
      this.#written = told;
    } catch (error) {
      logger.warn({ err: error }, `ConfigMap ${names.remoteClustersConfigMap} could not be written; tried again`);
      this.changed();
    } finally {
      this.#writing = false;
    }
  }

  /** A merge patch of one key; the first replica to have something to say makes the ConfigMap. */
  async #put(text: string): Promise<void> {
    const { client, rootNamespace: namespace, podName } = this.#options;
    const name = names.remoteClustersConfigMap;
    const data = { [podName]: text };
    try {
      await client.patch(pathFor(resources.configMaps, { namespace, name }), { data }, 'application/merge-patch+json');
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      const made: ApiObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name } };
      await client.apply({ ...made, data } as ApiObject, { fieldManager });
    }
  }
}
