import type { ConfigMap, Namespace } from '#istio-api';
import { applyIfChanged, Informer, resources, type KubeClient, type KubeLogger } from '#kube';
import { names } from '#model';

export interface RootDistributionOptions {
  readonly client: KubeClient;
  readonly logger: KubeLogger;
  readonly namespaces: Informer<Namespace>;
  /** Roots now, as one PEM text. */
  readonly roots: () => string;
}

const fieldManager = 'isthmus-mesh';
const retryMs = 1_000;

/**
 * Keeps ConfigMap `istio-ca-root-cert` in every namespace: pods cannot start their proxies before it is there. Every replica
 * does; they write the same, so it does not matter who comes first.
 */
export class RootDistribution {
  readonly copies: Informer<ConfigMap>;
  readonly #options: RootDistributionOptions;
  readonly #due = new Set<string>();
  /** Written without success: they wait before they are due again. */
  readonly #failed = new Set<string>();
  readonly #signal: AbortSignal;
  #working = false;

  constructor(options: RootDistributionOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    const { client, logger } = options;
    const fieldSelector = `metadata.name=${names.rootCertConfigMap}`;
    this.copies = new Informer({ client, logger, resource: resources.configMaps, fieldSelector });
  }

  start(): void {
    const { namespaces } = this.#options;
    namespaces.onChange((name, current) => {
      if (current !== undefined) this.#mark(name);
    });
    this.copies.onChange((_key, current, previous) => this.#mark((current ?? previous)?.metadata?.namespace));
    this.copies.start(this.#signal);
    void Promise.all([namespaces.synced, this.copies.synced]).then(
      () => this.distribute(),
      () => undefined,
    );
  }

  /** Looks at every namespace again, for instance after a change of roots. */
  distribute(): void {
    for (const namespace of this.#options.namespaces.list()) this.#mark(namespace.metadata?.name);
  }

  /** Namespaces that still lack the current roots. */
  get missing(): number {
    return this.#due.size + this.#failed.size + (this.#working ? 1 : 0);
  }

  /** True when every namespace that is known holds the current roots. */
  get complete(): boolean {
    return this.copies.hasSynced && this.#options.namespaces.hasSynced && this.missing === 0;
  }

  #mark(namespace: string | undefined): void {
    if (namespace === undefined) return;
    this.#failed.delete(namespace);
    this.#due.add(namespace);
    if (!this.#working && this.copies.hasSynced) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      for (const namespace of this.#due) {
        if (this.#signal.aborted) return;
        await this.#write(namespace);
      }
    } finally {
      this.#working = false;
    }
  }

  async #write(namespace: string): Promise<void> {
    const { client, namespaces, logger } = this.#options;
    this.#due.delete(namespace);
    if (namespaces.get(undefined, namespace)?.metadata?.deletionTimestamp !== undefined) return;
    if (namespaces.get(undefined, namespace) === undefined) return;
    const live = this.copies.get(namespace, names.rootCertConfigMap);
    try {
      await applyIfChanged({ client, desired: this.#desired(namespace), live, fieldManager, signal: this.#signal });
    } catch (error) {
      if (this.#signal.aborted) return;
      logger.warn({ err: error, namespace }, `ConfigMap ${names.rootCertConfigMap} could not be written; tried again`);
      this.#failed.add(namespace);
      setTimeout(() => this.#mark(namespace), retryMs).unref();
    }
  }

  #desired(namespace: string): ConfigMap {
    return {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: names.rootCertConfigMap,
        namespace,
        labels: { 'istio.io/config': 'true' },
      },
      data: { [names.rootCertKey]: this.#options.roots() },
    };
  }
}
