import { EventWriter } from '#kube';
import type { PeerStatus } from '#crd';
import type { PeerRef, Scope } from '#model';
import { peerKey } from '#model';
import { defaultLimits } from '#peer-client';
import { EventStreamParser } from '#protocol';
import { reconcileOnce } from '#reconcile';
import type { Outcome, WorkQueue } from '#reconcile';
import { decideFederation } from './federation/decide.js';
import { gatherFederation } from './federation/gather.js';
import { federationStatus } from './federation/status.js';
import type { IdentityKeeper } from './identity/identity-keeper.js';
import { peerToken } from './identity/peer-token.js';
import type { Memories } from './memories.js';
import { ApiReaches } from './multicluster/api-reaches.js';
import { decideMulticluster } from './multicluster/decide.js';
import { gatherMulticluster } from './multicluster/gather.js';
import { multiclusterStatus } from './multicluster/status.js';
import { applyPeer, writePeerStatus } from './peer/apply.js';
import type { PeerActions } from './peer/apply.js';
import type { PeerSources } from './peer/gather.js';
import type { PeerInput } from './peer/input.js';
import { StatusPace } from './peer/status-pace.js';
import type { PeerVerdict } from './peer/verdict.js';
import type { GatewayProber } from './peer-link/gateway-prober.js';
import { PeerLinks } from './peer-link/links.js';
import type { PeerLinkPorts } from './peer-link/peer-link.js';
import type { PassCounter } from './publication/pass-counter.js';
import type { PassNews } from './publication/pass-news.js';
import type { TermPorts } from './term-ports.js';
import { publicationKey } from './triggers.js';

/** The largest document, and room for the event's other fields. */
const maximumEventBytes = defaultLimits.maximumBytes + 1024;
/** How long a peer that leaves waits for a whole pass. */
const passPatienceMs = 20_000;

interface PeerPhases<Input, Verdict> {
  readonly gather: () => Promise<Input | undefined>;
  readonly decide: (input: Input) => Verdict;
  readonly status: (input: Input, verdict: Verdict | undefined, failure?: Error) => PeerStatus;
}

export interface PeerReconcilerPorts extends TermPorts {
  readonly identity: IdentityKeeper;
  readonly memories: Memories;
  readonly prober: GatewayProber;
  readonly news: PassNews;
  readonly passes: PassCounter;
  readonly queue: Pick<WorkQueue, 'add' | 'addAfter' | 'forget'>;
}

/** Reconciles peers, one at a call: their links, what is heard on them, and their statuses. */
export class PeerReconciler {
  /** What is heard of each peer now. */
  readonly links: PeerLinks;
  readonly #ports: PeerReconcilerPorts;
  readonly #apiReaches: ApiReaches;
  readonly #events: EventWriter;
  readonly #departed = new Map<string, string | undefined>();
  readonly #pace = new StatusPace();
  /** Peers that did not answer when they were last asked. */
  readonly #failing = new Set<string>();

  constructor(ports: PeerReconcilerPorts) {
    const { client, config, logger, queue } = ports;
    this.#ports = ports;
    this.links = new PeerLinks((key) => this.#linkPorts(key));
    this.#events = new EventWriter({ client, controller: 'isthmus.dev/controller', instance: config.podName, logger });
    this.#apiReaches = new ApiReaches(config.multicluster.wayOutHealthUrl, (name) => queue.add(`multicluster/${name}`));
  }

  /** Looks at peers' API servers until the signal is aborted. */
  start(signal: AbortSignal): void {
    if (this.#ports.config.multiclusterEnabled) this.#apiReaches.start(signal);
  }

  async stop(): Promise<void> {
    await this.links.stop();
    await this.#events.flush();
  }

  /** `key` = `federation/NAME` or `multicluster/NAME`. */
  reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const name = key.slice(key.indexOf('/') + 1);
    return key.startsWith('multicluster/')
      ? this.#reconcileMulticluster(name, signal)
      : this.#reconcileFederation(name, signal);
  }

  #sources(): PeerSources {
    const { world, config, identity, memories, prober, news, clock } = this.#ports;
    return { world, config, identity, memories, links: this.links, prober, news, clock };
  }

  #reconcileFederation(name: string, signal: AbortSignal): Promise<Outcome> {
    const sources = this.#sources();
    return this.#reconcile({ kind: 'IstioFederation', name }, signal, {
      gather: () => gatherFederation(sources, name),
      decide: decideFederation,
      status: federationStatus,
    });
  }

  #reconcileMulticluster(name: string, signal: AbortSignal): Promise<Outcome> {
    const sources = { ...this.#sources(), apiReaches: this.#apiReaches };
    return this.#reconcile({ kind: 'IstioMulticluster', name }, signal, {
      gather: () => gatherMulticluster(sources, name),
      decide: decideMulticluster,
      status: multiclusterStatus,
    });
  }

  async #reconcile<Input extends PeerInput, Verdict extends PeerVerdict>(
    ref: PeerRef,
    signal: AbortSignal,
    { gather, decide, status }: PeerPhases<Input, Verdict>,
  ): Promise<Outcome> {
    const actions = this.#actions();
    let input: Input | undefined;
    const outcome = await reconcileOnce<Input, Verdict, PeerStatus>(
      {
        gather: async () => (input = await gather()),
        decide,
        apply: async (verdict, given) => (input === undefined ? undefined : applyPeer(actions, input, verdict, given)),
        status: (given, verdict, failure) => status(given, verdict, failure ?? this.#ports.news.failure),
      },
      (given, written, s) => writePeerStatus(actions, given, written, s),
      ref.name,
      signal,
    );
    if (outcome.kind === 'gone') await this.#forget(ref);
    return outcome;
  }

  /** The resource vanished without its finalizer: what it produced goes all the same. */
  async #forget(ref: PeerRef): Promise<void> {
    this.#ports.queue.forget(peerKey(ref));
    this.#departed.delete(peerKey(ref));
    this.#pace.told(peerKey(ref));
    await this.links.remove(peerKey(ref));
    await this.#ports.memories.forget(ref);
    this.#ports.queue.add(publicationKey);
  }

  #actions(): PeerActions {
    return {
      client: this.#ports.client,
      memories: this.#ports.memories,
      links: this.links,
      events: this.#events,
      history: this.#ports.history,
      departed: this.#departed,
      pace: this.#pace,
      lookAgain: (key, ms) => this.#ports.queue.addAfter(key, ms),
      publish: () => this.#ports.queue.add(publicationKey),
      published: (signal) => {
        // A pass that does not come must not hold the place of other peers: whoever waits comes again.
        const ended = this.#ports.passes.after(AbortSignal.any([signal, AbortSignal.timeout(passPatienceMs)]));
        this.#ports.queue.add(publicationKey);
        return ended;
      },
    };
  }

  #linkPorts(key: string): PeerLinkPorts {
    const { clock, config, scheduler } = this.#ports;
    const scope = key.startsWith('multicluster/') ? 'private-multicluster' : 'private-federation';
    return {
      token: (audience, by) => this.#token(scope, audience, by),
      eventParser: () => new EventStreamParser(maximumEventBytes),
      clock,
      random: () => scheduler.random(),
      pacing: config.pacing,
      onHeard: () => this.#heard(key),
    };
  }

  /** Silence that begins or ends is a matter of stalePolicy: a pass looks at it, and reckons when it will matter. */
  #heard(key: string): void {
    this.#ports.queue.add(key);
    const { publicFailure, privateFailure } = this.links.hearing(key);
    const failing = publicFailure !== undefined || privateFailure !== undefined;
    if (failing === this.#failing.has(key)) return;
    if (failing) this.#failing.add(key);
    else this.#failing.delete(key);
    this.#ports.queue.add(publicationKey);
  }

  async #token(scope: Scope, audience: string, by: 'current' | 'previous'): Promise<string | undefined> {
    const { state } = this.#ports.identity;
    return state && peerToken(state, { scope, audience, by, now: this.#ports.clock.now() });
  }
}
