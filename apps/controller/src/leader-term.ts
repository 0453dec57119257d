import { asError, peerKey } from '#model';
import { done, WorkQueue } from '#reconcile';
import type { Outcome } from '#reconcile';
import { DoorCertificateKeeper } from './door-certificate/door-certificate-keeper.js';
import { IdentityKeeper } from './identity/identity-keeper.js';
import { Memories } from './memories.js';
import { GatewayProber } from './peer-link/gateway-prober.js';
import { PeerReconciler } from './peer-reconciler.js';
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
import type { TermPorts } from './term-ports.js';
import { identityKey, importsKey, publicationKey, watchMemories, watchWorld } from './triggers.js';
import { apiServerAddresses } from './world.js';

const probeEveryMs = 20_000;

/** One term as leader: all loops, links and memories that live and end with it. */
export class LeaderTerm {
  readonly #ports: TermPorts;
  readonly #queue: WorkQueue;
  readonly #identity: IdentityKeeper;
  readonly #memories: Memories;
  readonly #peers: PeerReconciler;
  readonly #prober: GatewayProber;
  readonly #addressBook: AddressBook;
  readonly #news = new PassNews((key) => this.#queue.add(key));
  readonly #passes = new PassCounter();
  /** Gateways that may be used, by peer key, as the last pass judged them. */
  #gateways: ReadonlyMap<string, readonly AllowedGateway[]> = new Map();
  readonly #imports: ImportsWriter;
  readonly #credentials = new CredentialBook();
  readonly #gatewayBook = new GatewayBook();
  readonly #remoteSecrets: RemoteSecretWriter;

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
    this.#prober = new GatewayProber((key) => this.#queue.add(key));
    this.#addressBook = new AddressBook({
      rule: addressRule(client.server, () => apiServerAddresses(world)),
      clock,
      onNews: () => this.#queue.add(publicationKey),
    });
    this.#remoteSecrets = new RemoteSecretWriter({ client, rootNamespace: config.mesh.rootNamespace, clock });
    this.#imports = new ImportsWriter({ client, world, news: this.#news, passes: this.#passes });
    this.#queue = new WorkQueue({
      scheduler,
      concurrency: 8,
      // Peers that leave wait for a whole pass, however many they are.
      apart: new Set([identityKey, publicationKey, importsKey]),
      work: (key, signal) => this.#work(key, signal),
      onOutcome: (key, outcome, retry) => this.#told(key, outcome, retry),
    });
    this.#peers = new PeerReconciler({
      ...ports,
      identity: this.#identity,
      memories: this.#memories,
      prober: this.#prober,
      news: this.#news,
      passes: this.#passes,
      queue: this.#queue,
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
    this.#peers.start(signal);
    await new Promise<void>((ended) =>
      signal.aborted ? ended() : signal.addEventListener('abort', () => ended(), { once: true }),
    );
    clearInterval(probing);
    for (const stop of stops) stop();
    await this.#queue.settled();
    await this.#peers.stop();
  }

  async #work(key: string, signal: AbortSignal): Promise<Outcome> {
    if (key === identityKey) return this.#keepIdentity(signal);
    if (key === publicationKey) return this.#publishAndTell(signal);
    if (key === importsKey) return this.#writeImports(signal);
    return this.#peers.reconcile(key, signal);
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
        links: this.#peers.links,
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
    this.#peers.links.authorise(verdict.audiences);
    const { rootNamespace } = config.mesh;
    const ports = { client, world, rootNamespace, remoteSecrets: this.#remoteSecrets };
    const failure = await applyPublication(ports, verdict, signal);
    const { imports, virtualAddresses } = verdict;
    this.#imports.want({ pass: failure === undefined ? pass : 0, imports, virtualAddresses });
    this.#news.judged(verdict.perPeer);
    this.#ports.metrics.published((performance.now() - started) / 1000, verdict.perPeer);
    this.#ports.metrics.imported(this.#news.standing());
    this.#queue.add(importsKey);
    if (this.#prober.isDue(this.#gateways)) void this.#probe();
    if (failure !== undefined) throw failure;
    return { kind: 'finished', next: done(verdict.nextLookMs) };
  }

  async #writeImports(signal: AbortSignal): Promise<Outcome> {
    try {
      if (await this.#imports.step(signal)) this.#queue.add(importsKey);
    } finally {
      this.#ports.metrics.imported(this.#news.standing());
    }
    return { kind: 'finished', next: done() };
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
