import type { ConfigMap, Secret } from '#istio-api';
import { Informer, resources, startAndSync } from '#kube';
import type { KubeClient } from '#kube';
import { emptyWayOutRegistry, names, wayOutRegistryIn } from '#model';
import type { WayOutRegistry } from '#model';
import type { Logger } from '#platform';
import { tokenKeysFrom } from './signing-keys.js';
import type { TokenKeys } from './signing-keys.js';

export interface WayOutKnowledgeOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly logger: Logger;
}

/** All that the way out knows, from three objects that the controller's leader writes; kept while the API server is away. */
export class WayOutKnowledge {
  readonly #cluster: Informer<ConfigMap>;
  readonly #peers: Informer<Secret>;
  readonly #keys: Informer<Secret>;
  readonly #listeners = new Set<() => void>();
  readonly #logger: Logger;
  #registry: WayOutRegistry = emptyWayOutRegistry;
  #tokenKeys: TokenKeys = {};

  constructor({ client, namespace, logger }: WayOutKnowledgeOptions) {
    const named = (name: string): { readonly namespace: string; readonly fieldSelector: string } => ({
      namespace,
      fieldSelector: `metadata.name=${name}`,
    });
    const secrets = { client, logger, resource: resources.secrets };
    this.#logger = logger;
    this.#cluster = new Informer({ client, logger, resource: resources.configMaps, ...named(names.clusterConfigMap) });
    this.#peers = new Informer<Secret>({ ...secrets, ...named(names.wayOutSecret) });
    this.#keys = new Informer<Secret>({ ...secrets, ...named(names.signingKeysSecret) });
    this.#peers.onChange((_key, current) =>
      this.#read(() => {
        this.#registry = wayOutRegistryIn(current?.data) ?? emptyWayOutRegistry;
      }),
    );
    this.#keys.onChange((_key, current) =>
      this.#read(() => {
        const text = current?.data?.['keys.json'];
        if (text !== undefined) this.#tokenKeys = tokenKeysFrom(Buffer.from(text, 'base64').toString('utf8'));
      }),
    );
  }

  start(signal: AbortSignal): void {
    startAndSync([this.#cluster, this.#peers, this.#keys], signal).catch(() => undefined);
  }

  /** Our own cluster UUID: `sub` of every token. */
  get clusterUUID(): string | undefined {
    return this.#cluster.list()[0]?.data?.['clusterUUID'];
  }

  /** True once peers and keys were read. */
  get hasSynced(): boolean {
    return this.#peers.hasSynced && this.#keys.hasSynced && this.#cluster.hasSynced;
  }

  get registry(): WayOutRegistry {
    return this.#registry;
  }

  get tokenKeys(): TokenKeys {
    return this.#tokenKeys;
  }

  /** What is still missing before requests can be answered. */
  missing(): readonly string[] {
    return [
      ...(this.#peers.hasSynced ? [] : [`Secret ${names.wayOutSecret} was not read yet`]),
      ...(this.clusterUUID === undefined ? [`ConfigMap ${names.clusterConfigMap} is not there`] : []),
      ...(this.#tokenKeys.current === undefined ? [`Secret ${names.signingKeysSecret} holds no current key`] : []),
    ];
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #read(take: () => void): void {
    try {
      take();
    } catch (error) {
      this.#logger.error({ err: error }, 'an object of the controller could not be read: the last good one stays');
    }
    for (const listener of this.#listeners) listener();
  }
}
