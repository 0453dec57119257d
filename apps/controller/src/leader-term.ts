import { randomUUID } from 'node:crypto';
import { EventWriter } from '#kube';
import type { KubeClient } from '#kube';
import type { Clock, GatewayAddress } from '#model';
import { names, peerKey } from '#model';
import type { Logger } from '#platform';
import { EventStreamParser, forbiddenAddress } from '#protocol';
import { done, reconcileOnce, WorkQueue } from '#reconcile';
import type { Outcome, Scheduler } from '#reconcile';
import { issueToken } from '#trust';
import type { ControllerConfig } from './config.js';
import { decideFederation } from './federation/decide.js';
import { gatherFederation } from './federation/gather.js';
import { contentOf } from './federation/read-documents.js';
import { federationStatus } from './federation/status.js';
import { IdentityKeeper } from './identity/identity-keeper.js';
import { currentKey, previousKey } from './identity/key-ring.js';
import { Memories } from './memories.js';
import type { ControllerMetrics } from './metrics.js';
import { applyPeer, writePeerStatus } from './peer/apply.js';
import type { PeerActions } from './peer/apply.js';
import type { PeerSources } from './peer/gather.js';
import type { History } from './peer/history.js';
import { GatewayProber } from './peer-link/gateway-prober.js';
import { PeerLinks } from './peer-link/links.js';
import type { PeerLinkPorts } from './peer-link/peer-link.js';
import { AddressBook } from './publication/address-book.js';
import { applyPublication } from './publication/apply.js';
import { decidePublication } from './publication/decide.js';
import type { PeerPublication } from './publication/decide.js';
import { federationsOf, gatherPublication } from './publication/gather.js';
import { PassCounter } from './publication/pass-counter.js';
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

const publicationKey = 'publication';
const identityKey = 'identity';
const maximumEventBytes = 48 * 1024 * 1024;
const probeEveryMs = 20_000;

/** One term as leader: all loops, links and memories that live and end with it. */
export class LeaderTerm {
  readonly #ports: TermPorts;
  readonly #queue: WorkQueue;
  readonly #identity: IdentityKeeper;
  readonly #memories: Memories;
  readonly #links: PeerLinks;
  readonly #prober: GatewayProber;
  readonly #addressBook: AddressBook;
  readonly #publications = new Map<string, PeerPublication>();
  readonly #passes = new PassCounter();
  readonly #events: EventWriter;

  constructor(ports: TermPorts) {
    const { client, world, config, clock, scheduler, logger } = ports;
    this.#ports = ports;
    this.#identity = new IdentityKeeper({
      client,
      configMaps: world.configMaps,
      settings: {
        namespace: config.mesh.releaseNamespace,
        trustDomain: config.mesh.trustDomain,
        clusterDomain: config.mesh.clusterDomain,
        networkName: config.networkName,
        clusterUUID: config.clusterUUID,
      },
      certificates: { address: config.meshAddress, tokenFile: config.meshTokenFile },
      times: { announceMs: config.keyAnnounceMs, honourMs: config.keyHonourMs },
      clock,
    });
    this.#memories = new Memories({
      client,
      secrets: world.secrets,
      namespace: config.mesh.releaseNamespace,
      onUnreadable: (peer, error) =>
        logger.error(
          { err: error, peer: peerKey(peer) },
          'what was remembered of this peer cannot be read; it is met anew',
        ),
    });
    this.#links = new PeerLinks((key) => this.#linkPorts(key));
    this.#prober = new GatewayProber((key) => this.#queue.add(key));
    this.#addressBook = new AddressBook(
      (ip) => forbiddenAddress(ip, { ownAddresses: ownAddresses(client.server) }),
      clock,
    );
    this.#events = new EventWriter({ client, controller: 'isthmus.dev/controller', instance: config.podName, logger });
    this.#queue = new WorkQueue({
      scheduler,
      concurrency: 8,
      work: (key, signal) => this.#work(key, signal),
      onOutcome: (key, outcome, retry) => this.#told(key, outcome, retry),
    });
  }

  /** Leads until the signal is aborted. */
  async lead(signal: AbortSignal): Promise<void> {
    const { world } = this.#ports;
    const stops = [
      world.federations.onChange((name) => this.#queue.add(`federation/${name}`)),
      world.federations.onChange(() => this.#queue.add(publicationKey)),
      ...[
        world.services,
        world.pods,
        world.serviceEntries,
        world.destinationRules,
        world.gateways,
        world.authorizationPolicies,
        world.documents,
        world.secrets,
      ].map((informer) => (informer as World['services']).onChange(() => this.#queue.add(publicationKey))),
      world.configMaps.onChange((key) => {
        if (key.endsWith(`/${names.clusterConfigMap}`) || key.endsWith(`/${names.rootCertConfigMap}`))
          this.#queue.add(identityKey);
      }),
    ];
    this.#queue.start(signal);
    this.#queue.add(identityKey);
    const probing = setInterval(() => void this.#probe(), probeEveryMs);
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
    if (key === publicationKey) return this.#publish(signal);
    return this.#reconcile(key.slice(key.indexOf('/') + 1), signal);
  }

  async #keepIdentity(signal: AbortSignal): Promise<Outcome> {
    const first = this.#identity.state === undefined;
    const changed = await this.#identity.ensure(signal);
    if (changed) this.#queue.add(publicationKey);
    if (first)
      for (const { metadata } of this.#ports.world.federations.list())
        this.#queue.add(`federation/${metadata?.name ?? ''}`);
    return { kind: 'finished', next: done(Math.min(60_000, (this.#identity.nextChangeMs() ?? 60_000) + 50)) };
  }

  async #publish(signal: AbortSignal): Promise<Outcome> {
    const signing = this.#identity.state;
    if (signing === undefined) return { kind: 'finished', next: done() };
    // A CRD that is gone for a moment shows no resources at all: that is no reason to remove what they asked for.
    if (this.#ports.world.federations.absent)
      throw new Error('the CRD of IstioFederation is absent: nothing is changed until it is back');
    const pass = this.#passes.begin();
    const started = performance.now();
    const { world, config, clock, client } = this.#ports;
    const input = await gatherPublication(
      { world, config, memories: this.#memories, links: this.#links, addressBook: this.#addressBook, clock },
      signing,
    );
    const verdict = decidePublication(input);
    this.#links.authorise(verdict.audiences);
    await applyPublication({ client, world }, verdict, signal);
    this.#tellPeers(verdict.perPeer);
    this.#ports.metrics.published((performance.now() - started) / 1000, verdict.perPeer);
    this.#passes.end(pass);
    if (this.#prober.isDue(this.#peerGateways())) void this.#probe();
    return { kind: 'finished', next: done(verdict.nextLookMs) };
  }

  #tellPeers(perPeer: ReadonlyMap<string, PeerPublication>): void {
    for (const key of this.#publications.keys()) if (!perPeer.has(key)) this.#publications.delete(key);
    for (const [key, publication] of perPeer) {
      const before = this.#publications.get(key);
      this.#publications.set(key, publication);
      if (JSON.stringify(before) !== JSON.stringify(publication)) this.#queue.add(key);
    }
  }

  async #reconcile(name: string, signal: AbortSignal): Promise<Outcome> {
    const sources: PeerSources = {
      world: this.#ports.world,
      config: this.#ports.config,
      identity: this.#identity,
      memories: this.#memories,
      links: this.#links,
      prober: this.#prober,
      publications: this.#publications,
      clock: this.#ports.clock,
    };
    const actions = this.#actions();
    let input: ReturnType<typeof gatherFederation>;
    const outcome = await reconcileOnce(
      {
        gather: () => Promise.resolve((input = gatherFederation(sources, name))),
        decide: decideFederation,
        apply: async (verdict, given) => (input === undefined ? undefined : applyPeer(actions, input, verdict, given)),
        status: federationStatus,
      },
      (given, status, s) => writePeerStatus(actions, given, status, s),
      name,
      signal,
    );
    if (outcome.kind === 'gone') await this.#forget(name);
    return outcome;
  }

  /** The resource vanished without its finalizer: what it produced goes all the same. */
  async #forget(name: string): Promise<void> {
    const ref = { kind: 'IstioFederation', name } as const;
    this.#queue.forget(peerKey(ref));
    await this.#links.remove(peerKey(ref));
    if (this.#memories.get(ref) !== undefined) await this.#memories.forget(ref);
    this.#queue.add(publicationKey);
  }

  #actions(): PeerActions {
    return {
      client: this.#ports.client,
      memories: this.#memories,
      links: this.#links,
      events: this.#events,
      history: this.#ports.history,
      publish: () => this.#queue.add(publicationKey),
      published: (signal) => {
        const ended = this.#passes.after(signal);
        this.#queue.add(publicationKey);
        return ended;
      },
    };
  }

  #linkPorts(key: string): PeerLinkPorts {
    const { clock, config, scheduler } = this.#ports;
    return {
      token: (audience, by) => this.#token(audience, by),
      eventParser: () => new EventStreamParser(maximumEventBytes),
      clock,
      random: () => scheduler.random(),
      pacing: config.pacing,
      onHeard: () => this.#queue.add(key),
    };
  }

  #token(audience: string, by: 'current' | 'previous'): string | undefined {
    const state = this.#identity.state;
    const key = state === undefined ? undefined : by === 'current' ? currentKey(state.ring) : previousKey(state.ring);
    if (state === undefined || key === undefined) return undefined;
    return issueToken({
      privatePem: key.privatePem,
      kid: key.kid,
      subject: state.identity.clusterUUID,
      audience,
      scope: 'private-federation',
      now: this.#ports.clock.now(),
      jti: randomUUID(),
    });
  }

  async #probe(): Promise<void> {
    await this.#prober.round(this.#peerGateways());
  }

  /** Gateways of the last good documents, by peer key. */
  #peerGateways(): ReadonlyMap<string, readonly GatewayAddress[]> {
    const gateways = federationsOf(this.#ports.world).map((resource) => {
      const ref = { kind: 'IstioFederation', name: resource.metadata.name } as const;
      return [peerKey(ref), contentOf(this.#memories.get(ref))?.ingressGateways ?? []] as const;
    });
    return new Map(gateways.filter(([, addresses]) => addresses.length > 0));
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

/** Our API server's addresses: no peer may name them as its gateway. */
function ownAddresses(server: string): readonly string[] {
  return [new URL(server).hostname.replace(/^\[|\]$/g, '')];
}
