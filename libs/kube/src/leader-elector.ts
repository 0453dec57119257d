import type { KubeClient } from './client.js';
import { ConflictError, KubeApiError } from './errors.js';
import type { KubeLogger } from './logger.js';
import type { ApiObject, ApiObjectMeta } from './object.js';
import { pause } from './pause.js';
import { pathFor, resources } from './resource.js';

interface Lease extends ApiObject {
  readonly metadata: ApiObjectMeta;
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export interface LeaderElectorOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /**
   * Who we are. The pod's name is the best choice: a container that was killed and started again in the same pod is the holder
   * still and goes on at once, and no second process of that name can live.
   */
  readonly identity: string;
  /** How long others wait for a silent leader; default 15 000 ms. */
  readonly leaseMs?: number;
  /** A leader that could not renew for so long stands back; default two thirds of the lease. */
  readonly renewDeadlineMs?: number;
  /** Time between tries; default 2 000 ms for the holder, half of it for those who wait. */
  readonly retryMs?: number;
  readonly logger: KubeLogger;
}

/** One leader among the replicas, by a Lease of coordination.k8s.io. Other clocks are never compared with ours: only changes of the Lease count. */
export class LeaderElector {
  readonly #options: Required<Omit<LeaderElectorOptions, 'logger' | 'client'>>;
  readonly #client: KubeClient;
  readonly #logger: KubeLogger;
  readonly #path: string;
  #leading = false;
  #observed: { readonly version: string; readonly at: number } | undefined;

  constructor(options: LeaderElectorOptions) {
    const { client, logger, leaseMs = 15_000, retryMs = 2_000 } = options;
    const { renewDeadlineMs = Math.floor((leaseMs * 2) / 3), namespace, name, identity } = options;
    this.#options = { leaseMs, retryMs, renewDeadlineMs, namespace, name, identity };
    this.#client = client;
    this.#logger = logger;
    this.#path = pathFor(resources.leases, { namespace, name });
  }

  get isLeader(): boolean {
    return this.#leading;
  }

  /**
   * Campaigns until `signal` is aborted. While leading it runs `lead` with a signal of its own, which is aborted when the
   * leadership is lost or the process shuts down; it waits for `lead` to end before it campaigns again or gives the Lease back.
   */
  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      if (await this.#tryHold(signal)) {
        await this.#term(signal, lead);
      }
      if (!signal.aborted)
        await pause(this.#options.retryMs * (0.25 + Math.random() / 4), signal).catch(() => undefined);
    }
  }

  async #term(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const term = new AbortController();
    const during = AbortSignal.any([signal, term.signal]);
    this.#leading = true;
    this.#logger.info({ lease: this.#path, identity: this.#options.identity }, 'leading');
    const work = lead(during).catch((error: unknown) => {
      if (!during.aborted) this.#logger.error({ err: error, lease: this.#path }, 'the work of the leader failed');
      term.abort(new Error('the work of the leader ended'));
    });
    await this.#renewUntil(during);
    term.abort(new Error('leadership lost'));
    await work;
    this.#leading = false;
    this.#logger.info({ lease: this.#path }, 'not leading any more');
    await this.#release().catch((error: unknown) => {
      this.#logger.warn({ err: error, lease: this.#path }, 'the Lease could not be given back; it runs out by itself');
    });
  }

  /** Returns when the term is over: aborted, or not renewed within the deadline, or taken by another. */
  async #renewUntil(signal: AbortSignal): Promise<void> {
    let renewedAt = Date.now();
    while (!signal.aborted) {
      await pause(this.#options.retryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const deadline = renewedAt + this.#options.renewDeadlineMs - Date.now();
      if (deadline <= 0) return;
      const held = await this.#tryHold(AbortSignal.any([signal, AbortSignal.timeout(deadline)]));
      if (held) renewedAt = Date.now();
      else if (Date.now() - renewedAt >= this.#options.renewDeadlineMs) return;
    }
  }

  /** One try to take or renew; any failure is a "no" that is tried again. */
  async #tryHold(signal: AbortSignal): Promise<boolean> {
    try {
      const lease = await this.#client.get<Lease>(this.#path, { signal, timeoutMs: this.#options.renewDeadlineMs });
      if (lease === undefined) {
        await this.#client.create(this.#leaseOf(undefined), { signal });
        return true;
      }
      if (!this.#mayTake(lease)) return false;
      await this.#client.replace(this.#leaseOf(lease), { signal });
      return true;
    } catch (error) {
      if (!signal.aborted && !(error instanceof ConflictError)) {
        const level = error instanceof KubeApiError && error.status === 403 ? 'error' : 'warn';
        this.#logger[level]({ err: error, lease: this.#path }, 'the Lease could not be taken or renewed');
      }
      return false;
    }
  }

  #mayTake(lease: Lease): boolean {
    const { holderIdentity = '', leaseDurationSeconds = 0 } = lease.spec ?? {};
    if (holderIdentity === '' || holderIdentity === this.#options.identity) return true;
    const version = lease.metadata.resourceVersion ?? '';
    if (this.#observed?.version !== version) this.#observed = { version, at: performance.now() };
    return performance.now() - this.#observed.at > leaseDurationSeconds * 1000;
  }

  #leaseOf(current: Lease | undefined): Lease {
    const now = microTime();
    const spec = current?.spec ?? {};
    const isOurs = spec.holderIdentity === this.#options.identity;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: current?.metadata ?? { namespace: this.#options.namespace, name: this.#options.name },
      spec: {
        holderIdentity: this.#options.identity,
        leaseDurationSeconds: Math.max(1, Math.ceil(this.#options.leaseMs / 1000)),
        acquireTime: isOurs && spec.acquireTime !== undefined ? spec.acquireTime : now,
        renewTime: now,
        leaseTransitions: (spec.leaseTransitions ?? 0) + (isOurs || current === undefined ? 0 : 1),
      },
    };
  }

  async #release(): Promise<void> {
    const lease = await this.#client.get<Lease>(this.#path, { timeoutMs: 3_000 });
    if (lease?.spec?.holderIdentity !== this.#options.identity) return;
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime() };
    await this.#client.replace({ ...lease, spec }, { timeoutMs: 3_000 });
  }
}

/** Kubernetes MicroTime: RFC 3339 with six fractional digits. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
