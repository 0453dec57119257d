import type { StalePolicy } from '#crd';
import type { Secret } from '#istio-api';
import { HttpKubeClient, inlineKubeconfigAccess, type ClusterAccess, type KubeClient, type KubeLogger } from '#kube';
import { compareText } from '#model';
import type { Clock } from '#model';
import type { RegistryObjects } from './cluster-informers.js';
import type { KeptRegistry, RegistryOwner } from './kept-registry.js';
import type { FollowedRegistry } from './registry-keeper.js';
import { RemoteCluster } from './remote-cluster.js';
import { wantedClusters, type RemoteSecretFault, type WantedCluster } from './remote-secrets.js';
import { Silence } from './silence.js';

export interface RemoteClustersOptions {
  readonly ownClusterID: () => string;
  readonly logger: KubeLogger;
  readonly clock: Clock;
  /** Something that a model is made of has changed. */
  readonly onChange: () => void;
  /** What is told about some cluster has changed. */
  readonly onStatus: () => void;
  /** What was kept of a cluster before this replica started: shown until the cluster has been read. */
  readonly kept?: (owner: RegistryOwner) => KeptRegistry | undefined;
  readonly connect?: (access: ClusterAccess) => KubeClient;
  readonly probeEveryMs?: number;
}

/** One cluster as models take it. */
export interface RemoteView {
  readonly clusterID: string;
  readonly trustDomain: string | undefined;
  readonly objects: RegistryObjects;
  /** Of these hosts those that its silence has cost their endpoints; the same set until that changes. */
  readonly withdrawn: (hosts: readonly string[]) => ReadonlySet<string>;
}

/** One cluster as operators are told of it. */
export interface RemoteState {
  readonly clusterID: string;
  readonly secret: string;
  readonly synced: boolean;
  /** Unix milliseconds; 0 = never. */
  readonly lastContact: number;
  readonly error?: string;
  readonly stalePolicy?: StalePolicy;
  /** Hosts whose endpoints its silence has cost by that policy. */
  readonly withdrawnHosts: ReadonlySet<string>;
}

interface Followed {
  wanted: WantedCluster;
  /** The kubeconfig that cannot be used, and why. */
  refusal: { readonly kubeconfig: string; readonly message: string } | undefined;
  current: RemoteCluster | undefined;
  /** Reads with a new kubeconfig until it has read everything; till then `current` is shown. */
  next: { readonly cluster: RemoteCluster; readonly kubeconfig: string } | undefined;
  currentKubeconfig: string;
  readonly silence: Silence;
}

const firstAnswerMs = 1_000;
const snapshotMs = 3_000;

/** The other clusters whose registries are read, as the remote Secrets name them. Each lives by itself: a bad one delays no other. */
export class RemoteClusters {
  readonly #options: RemoteClustersOptions;
  readonly #followed = new Map<string, Followed>();
  #faults: readonly RemoteSecretFault[] = [];

  constructor(options: RemoteClustersOptions) {
    this.#options = options;
  }

  /** Takes the Secrets as they are now. Only what is said about reaching a cluster makes it be read anew. */
  update(secrets: readonly Secret[]): void {
    const { wanted, faults } = wantedClusters(secrets, this.#options.ownClusterID());
    this.#tell(faults);
    for (const [clusterID, followed] of this.#followed) if (!wanted.has(clusterID)) this.#forget(clusterID, followed);
    for (const cluster of wanted.values()) this.#follow(cluster);
    this.#options.onChange();
    this.#options.onStatus();
  }

  /** Clusters that have been read once, by us or by whoever kept what was read; sorted by ID. */
  get views(): readonly RemoteView[] {
    return this.#sorted().flatMap((followed) => {
      const { wanted, current, silence } = followed;
      const kept = this.#keptOf(followed);
      const objects = current === undefined ? kept?.objects : current.objects;
      if (objects === undefined) return [];
      const { clusterID, trustDomain, stalePolicy } = wanted;
      const withdrawn = (hosts: readonly string[]): ReadonlySet<string> => {
        const before = silence.withdrawnHosts;
        const now = silence.withdrawn(silentSince(followed, kept), stalePolicy, hosts);
        if (now !== before) this.#options.onStatus();
        return now;
      };
      return [{ clusterID, trustDomain, objects, withdrawn }];
    });
  }

  get states(): readonly RemoteState[] {
    return this.#sorted().map((followed) => stateOf(followed, this.#keptOf(followed)));
  }

  /** Every cluster that is followed, and what was read of it as a whole: worth keeping. */
  get registries(): readonly FollowedRegistry[] {
    return this.#sorted().map(({ wanted, current }) => {
      const owner = ownerOf(wanted);
      if (current?.objects === undefined) return { owner };
      const { objects, lastContact, silentSince: since } = current;
      return { owner, whole: { objects, lastContact, silent: since !== undefined } };
    });
  }

  /**
   * Gives clusters that answer the moment that reading them takes, so that a new replica does not begin with less than the old ones had.
   * One that fails, or has said nothing in a second, is not waited for.
   */
  async settled(): Promise<void> {
    const reading: readonly RemoteCluster[] = this.#sorted().flatMap(
      ({ current, next }) => current ?? next?.cluster ?? [],
    );
    await Promise.all(
      reading.map(async (cluster) => {
        const read = cluster.synced.catch(() => undefined);
        await Promise.race([cluster.firstSign, after(firstAnswerMs)]);
        if (cluster.wasHeard && !cluster.isSynced) await Promise.race([read, after(snapshotMs)]);
      }),
    );
  }

  async stop(): Promise<void> {
    for (const { silence } of this.#followed.values()) silence.stop();
    const all = [...this.#followed.values()].flatMap(({ current, next }) => [current, next?.cluster]);
    this.#followed.clear();
    await Promise.all(all.flatMap((cluster) => cluster?.stop() ?? []));
  }

  #sorted(): readonly Followed[] {
    return [...this.#followed.entries()].sort(([a], [b]) => compareText(a, b)).map(([, followed]) => followed);
  }

  #keptOf({ wanted, current }: Followed): KeptRegistry | undefined {
    return current === undefined ? this.#options.kept?.(ownerOf(wanted)) : undefined;
  }

  #follow(wanted: WantedCluster): void {
    const { clusterID, kubeconfig } = wanted;
    const known = this.#followed.get(clusterID);
    if (known === undefined) {
      const followed: Followed = {
        wanted,
        refusal: undefined,
        current: undefined,
        next: undefined,
        currentKubeconfig: '',
        silence: new Silence(this.#options.clock, this.#options.onChange),
      };
      this.#followed.set(clusterID, followed);
      this.#connect(followed, kubeconfig);
      return;
    }
    known.wanted = wanted;
    const wantedNow = known.refusal?.kubeconfig ?? known.next?.kubeconfig ?? known.currentKubeconfig;
    if (wantedNow !== kubeconfig) this.#connect(known, kubeconfig);
  }

  /** Begins to read by a kubeconfig; what was read by another stays shown until everything has been read by this one. */
  #connect(followed: Followed, kubeconfig: string): void {
    const { logger, connect = (access) => new HttpKubeClient(access, 'isthmus-mesh') } = this.#options;
    const { clusterID, secret } = followed.wanted;
    this.#dropNext(followed);
    followed.refusal = undefined;
    if (followed.current !== undefined && kubeconfig === followed.currentKubeconfig) return;
    try {
      const cluster = this.#cluster(clusterID, connect(inlineKubeconfigAccess(kubeconfig)));
      followed.next = { cluster, kubeconfig };
      void cluster.synced.then(
        () => this.#swap(followed, cluster, kubeconfig),
        () => undefined,
      );
      cluster.start();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      followed.refusal = { kubeconfig, message: `Secret ${secret}: ${message}` };
      logger.error({ cluster: clusterID, secret, err: error }, 'remote cluster is not read: its Secret is not usable');
    }
  }

  #cluster(clusterID: string, client: KubeClient): RemoteCluster {
    const { logger, clock, onChange, onStatus, probeEveryMs } = this.#options;
    return new RemoteCluster({
      clusterID,
      client,
      logger,
      clock,
      onChange,
      onStatus,
      ...(probeEveryMs === undefined ? {} : { probeEveryMs }),
    });
  }

  #swap(followed: Followed, cluster: RemoteCluster, kubeconfig: string): void {
    if (followed.next?.cluster !== cluster) return;
    const before = followed.current;
    followed.current = cluster;
    followed.currentKubeconfig = kubeconfig;
    followed.next = undefined;
    void before?.stop();
    this.#options.onChange();
    this.#options.onStatus();
  }

  #dropNext(followed: Followed): void {
    void followed.next?.cluster.stop();
    followed.next = undefined;
  }

  #forget(clusterID: string, followed: Followed): void {
    this.#options.logger.info(
      { cluster: clusterID, secret: followed.wanted.secret },
      'remote cluster is gone: its Secret is',
    );
    this.#followed.delete(clusterID);
    followed.silence.stop();
    this.#dropNext(followed);
    void followed.current?.stop();
  }

  /** Each fault is told once, for as long as it stands. */
  #tell(faults: readonly RemoteSecretFault[]): void {
    const before = new Set(this.#faults.map((fault) => JSON.stringify(fault)));
    for (const fault of faults) {
      if (!before.has(JSON.stringify(fault))) this.#options.logger.error({ ...fault }, 'remote Secret not followed');
    }
    this.#faults = faults;
  }
}

function ownerOf({ clusterID, secret, secretUID = '', trustDomain = '' }: WantedCluster): RegistryOwner {
  return { clusterID, secret, secretUID, trustDomain };
}

/** A cluster of which only what was kept is shown is silent since then, until it answers us. */
function silentSince({ current, next }: Followed, kept: KeptRegistry | undefined): number | undefined {
  if (current !== undefined || kept === undefined) return current?.silentSince;
  const heard = next?.cluster.wasHeard === true;
  return heard ? next?.cluster.silentSince : kept.lastContact;
}

function stateOf({ wanted, current, next, refusal, silence }: Followed, kept: KeptRegistry | undefined): RemoteState {
  const { clusterID, secret, stalePolicy } = wanted;
  const clusters = [current, next?.cluster, kept].filter((cluster) => cluster !== undefined);
  const cause = refusal?.message ?? next?.cluster.error ?? current?.error;
  const error =
    kept === undefined ? cause : `${cause ?? 'not read yet'}; what was kept before this replica started goes on`;
  return {
    clusterID,
    secret,
    synced: current?.isSynced === true,
    lastContact: Math.max(0, ...clusters.map(({ lastContact }) => lastContact)),
    ...(error === undefined ? {} : { error }),
    ...(stalePolicy === undefined ? {} : { stalePolicy }),
    withdrawnHosts: silence.withdrawnHosts,
  };
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
