import type { ConfigMap } from '#istio-api';
import { NotFoundError, pathFor, resources, type KubeClient, type KubeLogger } from '#kube';
import { isFields, names, parsedJson, type Clock } from '#model';

/** What is told of one cluster: how far it has been read, and when it last answered (Unix ms; 0 = never). */
export interface ClusterReport {
  readonly synced: boolean;
  readonly lastContact: number;
  readonly services: number;
  /** Those that its stale policy has not withdrawn. */
  readonly endpoints: number;
  /** Services whose endpoints its silence has cost by its stale policy; absent while none. */
  readonly withdrawnServices?: number;
  readonly error?: string;
  /** Ports of its Services that nobody here can call, in words. */
  readonly conflicts?: readonly string[];
  /** Why nothing is kept of it for a replica that starts while it is away; absent while all is well. */
  readonly notKept?: string;
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
  /** Pods of the root namespace: what a replica wrote that is none of them any more is taken away. */
  readonly livingPods: () => ReadonlySet<string>;
}

const leastGapMs = 2_000;
/** A failing cluster's age is told again this often, the last sign of life of those that are well that often. */
const repeatMs = 30_000;
const aliveMs = 60_000;
/** What a replica said that is gone is kept for so long. */
const forgetMs = 600_000;
const fieldManager = 'isthmus-mesh';
const mergePatch = 'application/merge-patch+json';

/**
 * Tells the controller how far this replica has read other clusters: one key in ConfigMap `isthmus-remote-clusters`, written when something
 * changed and not more often than every two seconds, or once a minute. Each replica owns its key and takes away those of replicas that are gone.
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
    const again = now - this.#writtenAt >= (failing ? repeatMs : aliveMs) && Object.keys(clusters).length > 0;
    if (told === this.#written && !again) return;
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
    const path = pathFor(resources.configMaps, { namespace, name });
    try {
      const written = await client.patch<ConfigMap>(path, { data: { [podName]: text } }, mergePatch);
      const gone = this.#gone(written.data ?? {});
      if (gone.length === 0) return;
      await client.patch(path, { data: Object.fromEntries(gone.map((key) => [key, null])) }, mergePatch);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      const made: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name } };
      await client.apply({ ...made, data: { [podName]: text } }, { fieldManager });
    }
  }

  /** Keys of pods that are not there, and were not just made: a new pod may be known to itself sooner than to us. */
  #gone(data: Readonly<Record<string, string>>): readonly string[] {
    const { livingPods, podName, clock } = this.#options;
    const living = livingPods();
    return Object.entries(data).flatMap(([key, text]) => {
      const age = clock.now() - writtenAt(text);
      return key === podName || living.has(key) || age < forgetMs ? [] : [key];
    });
  }
}

/** When a replica wrote its key (Unix ms); 0 where that cannot be read, so that it is taken away like one long gone. */
export function writtenAt(text: string): number {
  const value = parsedJson(text);
  return isFields(value) && Number.isSafeInteger(value['at']) ? Number(value['at']) : 0;
}
