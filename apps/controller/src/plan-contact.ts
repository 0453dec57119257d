import type { Clock, Finding, PeerRef } from '#model';
import { kindWord, peerKey } from '#model';
import { defaultLimits, fetchDocument, PeerConnection } from '#peer-client';
import type { FetchOutcome } from '#peer-client';
import type { PeerMemory } from '#trust';
import type { ControllerConfig } from './config.js';
import { decideFederation } from './federation/decide.js';
import { gatherFederation } from './federation/gather.js';
import type { SigningState } from './identity/identity-keeper.js';
import type { KeyRing } from './identity/key-ring.js';
import { peerToken } from './identity/peer-token.js';
import type { Memories } from './memories.js';
import { decideMulticluster } from './multicluster/decide.js';
import { gatherMulticluster } from './multicluster/gather.js';
import { heardDocument, heardFailure, heardPrivate, heardPublic, nothingHeard } from './peer-link/hearing.js';
import type { Hearing } from './peer-link/hearing.js';
import { publicLimits } from './peer-link/peer-link.js';
import type { PeerVerdict } from './peer/verdict.js';
import { linkSettings } from './peer/verdict.js';
import type { PeerResource } from './peer/input.js';
import type { Meeting } from './plan-report.js';
import { peersOf } from './publication/gather.js';
import { refOf } from './publication/standing.js';
import type { World } from './world.js';

export interface PlanContactPorts {
  readonly world: World;
  readonly config: ControllerConfig;
  readonly memories: Pick<Memories, 'get' | 'fault'>;
  readonly clock: Clock;
  readonly signing: SigningState;
  /** With the key that signs. */
  readonly ring: KeyRing;
}

const notAsked = 'not asked: the peer would not be trusted';

/**
 * Asks peers that were never met, once each and all at the same time, and judges what they say as the leader would (ADR 0020). What is learnt is
 * remembered for one plan, beside what is remembered already; nothing is written anywhere.
 */
export class PlanContact {
  readonly #ports: PlanContactPorts;
  readonly #heard = new Map<string, Hearing>();
  readonly #learnt = new Map<string, PeerMemory>();
  readonly #met = new Map<string, Meeting>();

  constructor(ports: PlanContactPorts) {
    this.#ports = ports;
  }

  get(peer: PeerRef): PeerMemory | undefined {
    return this.#learnt.get(peerKey(peer)) ?? this.#ports.memories.get(peer);
  }

  fault(peer: PeerRef): string | undefined {
    return this.#ports.memories.fault(peer);
  }

  /** By peer key: what it said to this plan. */
  hearing(key: string): Hearing {
    return this.#heard.get(key) ?? nothingHeard;
  }

  /** By peer key: how it went. */
  met(): ReadonlyMap<string, Meeting> {
    return this.#met;
  }

  /** Public documents of all peers of which nothing is remembered, and whose resources ask for contact. */
  async askPublic(signal: AbortSignal): Promise<void> {
    const { world, config } = this.#ports;
    const strangers = peersOf(world, config).filter((resource) => this.#isStranger(resource));
    const outcomes = await Promise.all(
      strangers.map((resource) => this.#fetch(resource, 'public/public.json', { limits: publicLimits, signal })),
    );
    // One after another: whose root or UUID it is goes by who is known before.
    for (const [at, resource] of strangers.entries()) await this.#judge(resource, 'public', outcomes[at]);
  }

  /** Private documents of those among them that a pass trusts; `audiences` = cluster UUIDs by peer key. */
  async askPrivate(audiences: ReadonlyMap<string, string>, signal: AbortSignal): Promise<void> {
    const { world, config } = this.#ports;
    const known = peersOf(world, config).filter((resource) => this.#learnt.has(peerKey(refOf(resource))));
    const asked = known.flatMap((resource) => {
      const audience = audiences.get(peerKey(refOf(resource)));
      return audience === undefined ? [] : [{ resource, audience }];
    });
    const outcomes = await Promise.all(asked.map((each) => this.#fetchPrivate(each, signal)));
    for (const [at, { resource }] of asked.entries()) await this.#judge(resource, 'private', outcomes[at]);
  }

  #isStranger(resource: PeerResource): boolean {
    const ref = refOf(resource);
    const wanted = !resource.spec.revoked && resource.metadata.deletionTimestamp === undefined;
    return wanted && this.get(ref) === undefined && this.fault(ref) === undefined;
  }

  async #fetchPrivate(
    { resource, audience }: { readonly resource: PeerResource; readonly audience: string },
    signal: AbortSignal,
  ): Promise<FetchOutcome> {
    const { signing, ring, clock } = this.#ports;
    const document = kindWord(resource.kind);
    const order = { scope: `private-${document}`, audience, by: 'current', now: clock.now() } as const;
    const token = await peerToken({ ...signing, ring }, order);
    if (token === undefined)
      return { kind: 'failed', reason: 'TokenRejected', message: 'this cluster has no signing key yet' };
    return this.#fetch(resource, `private/${document}.json`, { token, limits: defaultLimits, signal });
  }

  async #fetch(
    resource: PeerResource,
    path: string,
    request: Omit<Parameters<typeof fetchDocument>[1], 'url'>,
  ): Promise<FetchOutcome> {
    const document = kindWord(resource.kind);
    const { endpoint, tls } = linkSettings(resource, document, this.get(refOf(resource)));
    const connection = new PeerConnection(tls);
    try {
      return await fetchDocument(connection, { ...request, url: `${endpoint}/${path}` });
    } finally {
      await connection.close();
    }
  }

  async #judge(resource: PeerResource, which: 'public' | 'private', outcome: FetchOutcome | undefined): Promise<void> {
    const key = peerKey(refOf(resource));
    if (outcome === undefined || outcome.kind === 'unchanged') return;
    const hearing = this.#hearing(key, which, outcome);
    this.#heard.set(key, hearing);
    const verdict = await this.#verdict(refOf(resource));
    if (verdict?.memory !== undefined) this.#learnt.set(key, verdict.memory);
    const failure = outcome.kind === 'failed' ? outcome : undefined;
    const against = which === 'public' ? verdict?.publicAgainst : verdict?.privateAgainst;
    const taken = inWords(failure ?? against);
    const before = this.#met.get(key);
    this.#met.set(
      key,
      which === 'public'
        ? { publicDocument: taken, privateDocument: notAsked }
        : { publicDocument: before?.publicDocument ?? 'taken', privateDocument: taken },
    );
  }

  #hearing(key: string, which: 'public' | 'private', outcome: Exclude<FetchOutcome, { kind: 'unchanged' }>): Hearing {
    const before = this.hearing(key);
    const at = this.#ports.clock.now();
    if (outcome.kind === 'failed') return heardFailure(before, which, outcome, at);
    const { body, peerTime } = outcome;
    const document = heardDocument(body, at, peerTime);
    return which === 'public' ? heardPublic(before, document) : heardPrivate(before, document);
  }

  async #verdict({ kind, name }: PeerRef): Promise<PeerVerdict | undefined> {
    const { world, config, signing, clock } = this.#ports;
    const sources = {
      ...{ world, config, clock, memories: this, links: this },
      identity: { state: signing },
      prober: { results: () => [] },
      news: { publicationOf: () => undefined, unwrittenOf: () => undefined, pendingOf: () => 0 },
      apiReaches: { get: () => undefined },
    };
    if (kind === 'IstioFederation') {
      const input = await gatherFederation(sources, name);
      return input && decideFederation(input);
    }
    const input = await gatherMulticluster(sources, name);
    return input && decideMulticluster(input);
  }
}

function inWords(against: Pick<Finding, 'reason' | 'message'> | undefined): string {
  return against === undefined ? 'taken' : `${against.reason}: ${against.message}`;
}
