import { randomUUID } from 'node:crypto';
import { EventWriter } from '#kube';
import type { KubeClient } from '#kube';
import type { PeerStatus } from '#crd';
import type { Clock, PeerRef, Scope } from '#model';
import { asError, peerKey } from '#model';
import { defaultLimits } from '#peer-client';
import type { Logger } from '#platform';
import { EventStreamParser } from '#protocol';
import { done, reconcileOnce, WorkQueue } from '#reconcile';
import type { Outcome, Scheduler } from '#reconcile';
import { issueToken } from '#trust';
import type { ControllerConfig } from './config.js';
import { decideFederation } from './federation/decide.js';
import { decideMulticluster } from './multicluster/decide.js';
import { gatherMulticluster } from './multicluster/gather.js';
import { ApiReaches } from './multicluster/api-reaches.js';
import { multiclusterStatus } from './multicluster/status.js';
import { gatherFederation } from './federation/gather.js';
import { federationStatus } from './federation/status.js';
import { DoorCertificateKeeper } from './door-certificate/door-certificate-keeper.js';
import { IdentityKeeper } from './identity/identity-keeper.js';
import { currentKey, previousKey } from './identity/key-ring.js';
import { Memories } from './memories.js';
import type { ControllerMetrics } from './metrics.js';
import { applyPeer, writePeerStatus } from './peer/apply.js';
import type { PeerActions } from './peer/apply.js';
import type { PeerSources } from './peer/gather.js';
import type { History } from './peer/history.js';
import type { PeerInput } from './peer/input.js';
import { StatusPace } from './peer/status-pace.js';
import type { PeerVerdict } from './peer/verdict.js';
import { GatewayProber } from './peer-link/gateway-prober.js';
import { PeerLinks } from './peer-link/links.js';
import type { PeerLinkPorts } from './peer-link/peer-link.js';
import { AddressBook, addressRule } from './publication/address-book.js';
import type { AllowedGateway } from './publication/address-book.js';
import { applyPublication } from './publication/apply.js';
import { decidePublication } from './publication/decide.js';
import { CredentialBook } from './publication/credential-book.js';
import { gatherPublication, peersOf } from './publication/gather.js';
import { GatewayBook } from './publication/own-gateways.js';
import { ImportsWriter } from './publication/imports-writer.js';
import { PassNews } from './publication/pass-news.js';
import { RemoteSecretWriter } from './publication/remote-secret-writer.js';
import { refOf } from './publication/standing.js';
import { PassCounter } from './publication/pass-counter.js';
import { identityKey, importsKey, publicationKey, watchMemories, watchWorld } from './triggers.js';
import { apiServerAddresses } from './world.js';
import type { World } from './world.js';

export interface TermPorts {
  readonly client: KubeClient;
  readonly world: World;
  readonly config: ControllerConfig;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly metrics: ControllerMetrics;
  readonly history: History;
}

/** The largest document, and room for the event's other fields. */
const maximumEventBytes = defaultLimits.maximumBytes + 1024;
const probeEveryMs = 20_000;
/** How long a peer that leaves waits for a whole pass. */
const passPatienceMs = 20_000;

interface PeerPhases<Input, Verdict> {
  readonly gather: () => Promise<Input | undefined>;
  readonly decide: (input: Input) => Verdict;
  readonly status: (input: Input, verdict: Verdict | undefined, failure?: Error) => PeerStatus;
}

/** One term as leader: all loops, links and memories that live and end with it. */
export class LeaderTerm {
  readonly #ports: TermPorts;
  readonly #queue: WorkQueue;
  readonly #identity: IdentityKeeper;
  readonly #memories: Memories;
  readonly #links: PeerLinks;
  readonly #prober: GatewayProber;
  readonly #addressBook: AddressBook;
  readonly #news = new PassNews((key) => this.#queue.add(key));
  readonly #passes = new PassCounter();
  readonly #departed = new Map<string, string | undefined>();
  readonly #pace = new StatusPace();
  /** Peers that did not answer when they were last asked. */
  readonly #failing = new Set<string>();
  readonly #events: EventWriter;
  /** Gateways that may be used, by peer key, as the last pass judged them. */
  #gateways: ReadonlyMap<string, readonly AllowedGateway[]> = new Map();
  readonly #imports: ImportsWriter;
  readonly #credentials = new CredentialBook();
  readonly #gatewayBook = new GatewayBook();
  readonly #remoteSecrets: RemoteSecretWriter;
  readonly #apiReaches: ApiReaches;

  constructor(ports: TermPorts) {
    const { client, world, config, clock, scheduler, logger } = ports;
    this.#ports = ports;
    const times = { announceMs: config.keyAnnounceMs, honourMs: config.keyHonourMs };
    this.#identity = new IdentityKeeper({
      client,
      configMaps: world.configMaps,
      secrets: world.secrets,
      settings: {
        namespace: config.mesh.releaseNamespace,
        trustDomain: config.mesh.trustDomain,
        clusterDomain: config.mesh.clusterDomain,
        networkName: config.networkName,
        clusterUUID: config.clusterUUID,
      },
      certificates: { address: config.meshAddress, tokenFile: config.meshTokenFile },
      times,
      doorCertificate: new DoorCertificateKeeper({
        client,
        namespace: config.mesh.releaseNamespace,
        secretName: config.doorSecret,
        times,
        clock,
        logger,
      }),
      clock,
      logger,
    });
    this.#memories = new Memories({
      client,
      secrets: world.secrets,
      namespace: config.mesh.releaseNamespace,
      onUnreadable: (peer, message) => logger.error({ peer: peerKey(peer) }, message),
    });
    this.#links = new PeerLinks((key) => this.#linkPorts(key));
    this.#prober = new GatewayProber((key) => this.#queue.add(key));
    this.#addressBook = new AddressBook({
      rule: addressRule(client.server, () => apiServerAddresses(world)),
      clock,
      onNews: () => this.#queue.add(publicationKey),
    });
    this.#events = new EventWriter({ client, controller: 'isthmus.dev/controller', instance: config.podName, logger });
    this.#remoteSecrets = new RemoteSecretWriter({ client, rootNamespace: config.mesh.rootNamespace, clock });
    this.#apiReaches = new ApiReaches(config.multicluster.wayOutHealthUrl, (name) =>
      this.#queue.add(`multicluster/${name}`),
    );
    this.#imports = new ImportsWriter({ client, world, news: this.#news, passes: this.#passes });
    this.#queue = new WorkQueue({
      scheduler,
      concurrency: 8,
      // Peers that leave wait for a whole pass, however many they are.
      apart: new Set([identityKey, publicationKey, importsKey]),
      work: (key, signal) => this.#work(key, signal),
      onOutcome: (key, outcome, retry) => this.#told(key, outcome, retry),
    });
  }

  /** Leads until the signal is aborted. */
  async lead(signal: AbortSignal): Promise<void> {
    const { world } = this.#ports;
    const stops = [
      ...watchWorld(world, this.#queue),
      watchMemories(world, this.#memories, this.#queue, this.#ports.logger),
    ];
    this.#queue.start(signal);
    this.#queue.add(identityKey);
    const probing = setInterval(() => void this.#probe(), probeEveryMs);
    if (this.#ports.config.multiclusterEnabled) this.#apiReaches.start(signal);
    await new Promise<void>((ended) =>
      signal.aborted ? ended() : signal.addEventListener('abort', () => ended(), { once: true }),
    );
    clearInterval(probing);
    for (const stop of stops) stop();
    await this.#queue.settled();
    await this.#links.stop();
    await this.#events.flush();
  }

  async #work(key: string, signal: AbortSignal): Promise<Outcome> {
    if (key === identityKey) return this.#keepIdentity(signal);
    if (key === publicationKey) return this.#publishAndTell(signal);
    if (key === importsKey) return this.#writeImports(signal);
    const name = key.slice(key.indexOf('/') + 1);
    return key.startsWith('multicluster/')
      ? this.#reconcileMulticluster(name, signal)
      : this.#reconcileFederation(name, signal);
  }

  async #keepIdentity(signal: AbortSignal): Promise<Outcome> {
    const first = this.#identity.state === undefined;
    const changed = await this.#identity.ensure(signal);
    if (changed) this.#queue.add(publicationKey);
    if (first) for (const key of this.#peerKeys()) this.#queue.add(key);
    return { kind: 'finished', next: done(Math.min(60_000, (this.#identity.nextChangeMs() ?? 60_000) + 50)) };
  }

  async #publishAndTell(signal: AbortSignal): Promise<Outcome> {
    const keys = (): readonly string[] => this.#peerKeys();
    try {
      const outcome = await this.#publish(signal);
      this.#news.ended(undefined, keys);
      return outcome;
    } catch (error) {
      this.#news.ended(asError(error), keys);
      throw error;
    }
  }

  #peerKeys(): readonly string[] {
    const { world, config } = this.#ports;
    return peersOf(world, config).map((resource) => peerKey(refOf(resource)));
  }

  async #publish(signal: AbortSignal): Promise<Outcome> {
    const signing = this.#identity.state;
    if (signing === undefined) return { kind: 'finished', next: done() };
    // A CRD that is gone for a moment shows no resources at all: that is no reason to remove what they asked for.
    for (const informer of [this.#ports.world.federations, this.#ports.world.multiclusters])
      if (informer?.absent === true)
        throw new Error(
          'the CRD of IstioFederation or IstioMulticluster is absent: nothing is changed until it is back',
        );
    const pass = this.#passes.begin();
    const started = performance.now();
    const { world, config, clock, client } = this.#ports;
    const input = gatherPublication(
      {
        world,
        config,
        memories: this.#memories,
        links: this.#links,
        addressBook: this.#addressBook,
        credentials: this.#credentials,
        gatewayBook: this.#gatewayBook,
        clock,
        doorAuthorities: this.#identity.doorAuthorities,
      },
      signing,
    );
    const verdict = decidePublication(input);
    this.#gateways = new Map(
      [...input.offers].flatMap(([key, { gateways }]) => (gateways.length === 0 ? [] : [[key, gateways]])),
    );
    this.#links.authorise(verdict.audiences);
    const { rootNamespace } = config.mesh;
    const ports = { client, world, rootNamespace, remoteSecrets: this.#remoteSecrets };
    const failure = await applyPublication(ports, verdict, signal);
    const { imports, virtualAddresses } = verdict;
    this.#imports.want({ pass: failure === undefined ? pass : 0, imports, virtualAddresses });
    this.#news.judged(verdict.perPeer);
    this.#ports.metrics.published((performance.now() - started) / 1000, verdict.perPeer);
    this.#queue.add(importsKey);
    if (this.#prober.isDue(this.#gateways)) void this.#probe();
    if (failure !== undefined) throw failure;
    return { kind: 'finished', next: done(verdict.nextLookMs) };
  }

  async #writeImports(signal: AbortSignal): Promise<Outcome> {
    if (await this.#imports.step(signal)) this.#queue.add(importsKey);
    return { kind: 'finished', next: done() };
  }

  #sources(): PeerSources {
    return {
      world: this.#ports.world,
      config: this.#ports.config,
      identity: this.#identity,
      memories: this.#memories,
      links: this.#links,
      prober: this.#prober,
      news: this.#news,
      clock: this.#ports.clock,
    };
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
        status: (given, verdict, failure) => status(given, verdict, failure ?? this.#news.failure),
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
    this.#queue.forget(peerKey(ref));
    this.#departed.delete(peerKey(ref));
    this.#pace.told(peerKey(ref));
    await this.#links.remove(peerKey(ref));
    await this.#memories.forget(ref);
    this.#queue.add(publicationKey);
  }

  #actions(): PeerActions {
    return {
      client: this.#ports.client,
      memories: this.#memories,
      links: this.#links,
      events: this.#events,
      history: this.#ports.history,
      departed: this.#departed,
      pace: this.#pace,
      lookAgain: (key, ms) => this.#queue.addAfter(key, ms),
      publish: () => this.#queue.add(publicationKey),
      published: (signal) => {
        // A pass that does not come must not hold the place of other peers: whoever waits comes again.
        const ended = this.#passes.after(AbortSignal.any([signal, AbortSignal.timeout(passPatienceMs)]));
        this.#queue.add(publicationKey);
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
    this.#queue.add(key);
    const { publicFailure, privateFailure } = this.#links.hearing(key);
    const failing = publicFailure !== undefined || privateFailure !== undefined;
    if (failing === this.#failing.has(key)) return;
    if (failing) this.#failing.add(key);
    else this.#failing.delete(key);
    this.#queue.add(publicationKey);
  }

  async #token(scope: Scope, audience: string, by: 'current' | 'previous'): Promise<string | undefined> {
    const state = this.#identity.state;
    const key = state === undefined ? undefined : by === 'current' ? currentKey(state.ring) : previousKey(state.ring);
    if (state === undefined || key === undefined) return undefined;
    return issueToken({
      privatePem: key.privatePem,
      kid: key.kid,
      subject: state.identity.clusterUUID,
      audience,
      scope,
      now: this.#ports.clock.now(),
      jti: randomUUID(),
    });
  }

  async #probe(): Promise<void> {
    await this.#prober.round(this.#gateways);
  }

  #told(key: string, outcome: Outcome, retryInMs: number | undefined): void {
    this.#ports.metrics.reconciled(key, outcome.kind);
    if (outcome.kind !== 'failed') return;
    this.#ports.logger.warn(
      { key, phase: outcome.phase, err: outcome.error, retryInMs },
      'a reconcile failed and is tried again',
    );
  }
}
