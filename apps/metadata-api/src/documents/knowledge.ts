import type { ConfigMap, Secret } from '#istio-api';
import { Informer, resources, startAndSync } from '#kube';
import type { KubeClient } from '#kube';
import { emptyTrustRegistry, labels, names, trustRegistryIn } from '#model';
import type { Scope, TrustedPeer, TrustRegistry } from '#model';
import type { Logger } from '#platform';
import { PrivateDocuments } from './private-documents.js';
import { servedDocument } from './served-document.js';
import type { ServedDocument } from './served-document.js';

export interface KnowledgeOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly peersNamespace: string;
  readonly logger: Logger;
}

export type PeerStanding = 'trusted' | 'rekeyed' | 'untrusted';

type Listener = () => void;

/** All that the door knows, read from the objects that the controller's leader writes; kept while the API server is away. */
export class Knowledge {
  readonly #cluster: Informer<ConfigMap>;
  readonly #trust: Informer<Secret>;
  readonly #public: Informer<Secret>;
  readonly #private: Informer<Secret>;
  readonly #documents: PrivateDocuments;
  readonly #listeners = new Set<Listener>();
  readonly #logger: Logger;
  readonly #peersNamespace: string;
  #registry: TrustRegistry = emptyTrustRegistry;
  #served = new Map<string, ServedDocument>();

  constructor(options: KnowledgeOptions) {
    const { client, namespace, peersNamespace, logger } = options;
    const named = (name: string): { readonly namespace: string; readonly fieldSelector: string } => ({
      namespace,
      fieldSelector: `metadata.name=${name}`,
    });
    const secrets = { client, logger, resource: resources.secrets };
    this.#logger = logger;
    this.#peersNamespace = peersNamespace;
    this.#cluster = new Informer({ client, logger, resource: resources.configMaps, ...named(names.clusterConfigMap) });
    this.#trust = new Informer<Secret>({ ...secrets, ...named(names.trustSecret) });
    this.#public = new Informer<Secret>({ ...secrets, ...named(names.publicDocumentSecret) });
    this.#private = new Informer<Secret>({
      ...secrets,
      namespace: peersNamespace,
      labelSelector: `${labels.document}=private`,
    });
    this.#documents = new PrivateDocuments((name) => this.#private.get(this.#peersNamespace, name));
    this.#trust.onChange((_key, current) => this.#readTrust(current));
    this.#public.onChange((_key, current) => this.#readPublic(current));
    for (const informer of [this.#cluster, this.#private]) informer.onChange(() => this.#tell());
  }

  /** Begins to read; `synced` of the answer resolves when everything was read once. */
  start(signal: AbortSignal): { readonly synced: Promise<void> } {
    const synced = startAndSync([this.#cluster, this.#trust, this.#public, this.#private], signal);
    synced.catch(() => undefined);
    return { synced };
  }

  /** Our own cluster UUID: the audience of every token. */
  get clusterUUID(): string | undefined {
    return this.#cluster.list()[0]?.data?.['clusterUUID'];
  }

  /** Trust domain of this cluster's workloads. */
  get trustDomain(): string | undefined {
    return this.#cluster.list()[0]?.data?.['trustDomain'];
  }

  get registry(): TrustRegistry {
    return this.#registry;
  }

  /** `public.json` or `spiffe-bundle.json`. */
  publicDocument(file: string): ServedDocument | undefined {
    return this.#served.get(file);
  }

  privateDocument(peer: TrustedPeer): ServedDocument | undefined {
    return this.#documents.documentFor(peer);
  }

  /** Whether what a token proved still holds. */
  stillTrusts(peer: TrustedPeer, scope: Scope): boolean {
    return this.standingOf(peer, scope) === 'trusted';
  }

  /**
   * How a peer that proved itself earlier stands now. `trusted` = the same resource, UUID and scope, and no key gone that counted then;
   * `rekeyed` = a key is gone, as at the end of a rotation (or withdrawn, and it may be the one that signed): it is to prove itself anew.
   */
  standingOf(peer: TrustedPeer, scope: Scope): PeerStanding {
    const now = this.#registry.peers.find(({ kind, name }) => kind === peer.kind && name === peer.name);
    if (now?.clusterUUID !== peer.clusterUUID || !now.scopes.includes(scope)) return 'untrusted';
    const kids = new Set(now.keys.map(({ kid }) => kid));
    return peer.keys.every(({ kid }) => kids.has(kid)) ? 'trusted' : 'rekeyed';
  }

  /** What is still missing before requests can be answered. */
  missing(): readonly string[] {
    return [
      ...(this.#trust.hasSynced && this.#private.hasSynced ? [] : ['Secrets were not read yet']),
      ...(this.clusterUUID === undefined ? [`ConfigMap ${names.clusterConfigMap} is not there`] : []),
      ...(this.#served.has('public.json') ? [] : [`Secret ${names.publicDocumentSecret} is not there`]),
    ];
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #readTrust(secret: Secret | undefined): void {
    try {
      this.#registry = trustRegistryIn(secret?.data) ?? emptyTrustRegistry;
    } catch (error) {
      this.#logger.error({ err: error }, 'trust could not be read: the last good one stays');
    }
    this.#tell();
  }

  #readPublic(secret: Secret | undefined): void {
    // The leader may be about to write it anew; peers need it to find back to us, and it holds nothing secret.
    if (secret === undefined) return;
    const seq = decoded(secret, 'seq')?.toString('utf8') ?? '';
    this.#served = new Map(
      ['public.json', 'spiffe-bundle.json'].flatMap((file): [string, ServedDocument][] => {
        const body = decoded(secret, file);
        return body === undefined ? [] : [[file, servedDocument(body, seq)]];
      }),
    );
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function decoded(secret: Secret | undefined, key: string): Buffer | undefined {
  const value = secret?.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64');
}
