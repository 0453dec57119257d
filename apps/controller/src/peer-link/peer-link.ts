import { defaultLimits, fetchDocument, PeerConnection, streamDocuments } from '#peer-client';
import type { EventParser, FetchFailure, FetchOutcome, PeerTls, StreamEnd } from '#peer-client';
import type { Clock } from '#model';
import {
  heardDocument,
  heardFailure,
  heardNothingNew,
  heardPrivate,
  heardPublic,
  nothingHeard,
  withoutPrivate,
} from './hearing.js';
import type { HeardDocument, Hearing } from './hearing.js';
import { delayAfter, wait } from './pacing.js';
import type { Pacing } from './pacing.js';
import { countedOn, nextTurn, noTurns } from './turns.js';
import type { StreamFate } from './turns.js';

/** Where the operator says that the peer is, and by what its connection is verified. */
export interface GivenEndpoint {
  /** `spec.metadataEndpoint` without a trailing slash. */
  readonly endpoint: string;
  /** `spec.metadata`. */
  readonly given: PeerTls;
}

export interface PeerLinkSettings extends GivenEndpoint {
  /** `given`, with what the peer itself signed of its door's certificate. */
  readonly tls: PeerTls;
  readonly document: 'federation' | 'multicluster';
}

export interface PeerLinkPorts {
  /**
   * A fresh one-minute token for this audience (the peer's cluster UUID), by the current key or the one before; undefined without
   * such a key.
   */
  readonly token: (audience: string, by: 'current' | 'previous') => Promise<string | undefined>;
  readonly eventParser: () => EventParser;
  readonly clock: Clock;
  readonly random: () => number;
  readonly pacing: Pacing;
  readonly onHeard: () => void;
}

/** A stream that ends sooner was in vain: else it would be asked for again and again without a pause. */
const shortestStreamMs = 5_000;
/** Revocation lists may come to 256 KiB; all else in a public document is small. */
export const publicLimits = { ...defaultLimits, maximumBytes: 1024 * 1024 };

const noKey: FetchFailure = { kind: 'failed', reason: 'TokenRejected', message: 'this cluster has no signing key yet' };

/**
 * Listens to one peer: public document by polling, private documents by stream with polling as fallback. Owns its connections, so a
 * slow or dead peer costs nobody else anything. It judges nothing: what it heard is a value for `gather`.
 */
export class PeerLink {
  readonly settings: PeerLinkSettings;
  readonly #ports: PeerLinkPorts;
  readonly #connection: PeerConnection;
  readonly #stopped = new AbortController();
  #hearing: Hearing = nothingHeard;
  #audience: string | undefined;
  #channel: AbortController | undefined;
  #wakePublic = new AbortController();
  #publicEtag: string | undefined;
  #privateEtag: string | undefined;
  #lastEventId: string | undefined;
  /** Whether the stream asked for last was opened. */
  #opened = false;

  constructor(settings: PeerLinkSettings, ports: PeerLinkPorts) {
    this.settings = settings;
    this.#ports = ports;
    this.#connection = new PeerConnection(settings.tls);
  }

  start(): void {
    void this.#listenPublic();
  }

  hearing(): Hearing {
    return this.#hearing;
  }

  /** Opens the private channel for this audience, or closes it (undefined): called by `apply` once the peer is, or is no longer, trusted. */
  authorise(audience: string | undefined): void {
    if (audience === this.#audience) return;
    this.#audience = audience;
    this.#channel?.abort();
    this.#channel = undefined;
    this.#lastEventId = undefined;
    this.#privateEtag = undefined;
    if (audience === undefined) {
      this.#hearing = withoutPrivate(this.#hearing);
      return;
    }
    this.#channel = new AbortController();
    void this.#listenPrivate(audience, AbortSignal.any([this.#channel.signal, this.#stopped.signal]));
  }

  /** Asks for the public document now instead of at its next turn. */
  refresh(): void {
    this.#wakePublic.abort();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#channel?.abort();
    await this.#connection.close();
  }

  async #listenPublic(): Promise<void> {
    const { pacing, random } = this.#ports;
    for (let failures = 0; !this.#stopped.signal.aborted;) {
      this.#wakePublic = new AbortController();
      const ok = await this.#fetchPublic();
      failures = ok ? 0 : failures + 1;
      const pause = ok ? pacing.publicMs * (0.9 + 0.2 * random()) : delayAfter(failures, pacing, random());
      await wait(pause, AbortSignal.any([this.#stopped.signal, this.#wakePublic.signal]));
    }
  }

  async #fetchPublic(): Promise<boolean> {
    const outcome = await fetchDocument(this.#connection, {
      url: `${this.settings.endpoint}/public/public.json`,
      ...(this.#publicEtag === undefined ? {} : { etag: this.#publicEtag }),
      limits: publicLimits,
      signal: this.#stopped.signal,
    });
    if (this.#stopped.signal.aborted) return false;
    if (outcome.kind === 'failed') {
      this.#fail('public', outcome);
      return false;
    }
    if (outcome.kind === 'unchanged') {
      this.#update(heardNothingNew(this.#hearing, 'public', this.#ports.clock.now()), false);
      return true;
    }
    this.#publicEtag = outcome.etag;
    this.#update(heardPublic(this.#hearing, this.#heard(outcome.body, outcome.peerTime)), true);
    return true;
  }

  async #listenPrivate(audience: string, signal: AbortSignal): Promise<void> {
    const { pacing, random, clock } = this.#ports;
    let turns = noTurns;
    let streams = pacing.streams;
    while (!signal.aborted) {
      const { end, stream } = await this.#turn(audience, streams, signal);
      if (signal.aborted) return;
      if (end.kind === 'failed') this.#failedPrivate(end);
      const turn = { failed: end.kind === 'failed', stream, now: clock.now(), random: random() };
      turns = countedOn(turns, turn, pacing);
      const next = nextTurn(turns, turn, pacing);
      await wait(next.pauseMs, signal);
      streams = next.stream;
    }
  }

  /**
   * One stream, or one poll. A stream by which nothing came is followed by a poll: the peer may know the one and not the other, and
   * what stands between us may hold a stream's bytes back.
   */
  async #turn(
    audience: string,
    streams: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly end: StreamEnd; readonly stream: StreamFate }> {
    if (!streams) return { end: await this.#poll(audience, signal), stream: 'none' };
    const started = this.#ports.clock.now();
    this.#opened = false;
    const end = await this.#stream(audience, signal);
    const asksForPatience = end.kind === 'failed' && end.status === 429;
    if (signal.aborted || asksForPatience) return { end, stream: 'none' };
    if (this.#opened) return { end, stream: this.#endedTooSoon(end, started) ? 'vain' : 'held' };
    return { end: await this.#poll(audience, signal), stream: 'vain' };
  }

  #endedTooSoon({ kind }: StreamEnd, started: number): boolean {
    return kind === 'ended' && this.#ports.clock.now() - started < shortestStreamMs;
  }

  #failedPrivate(failure: FetchFailure): void {
    this.#fail('private', failure);
    // The peer may know us, or we it, by a key that has changed; without any answer it may be gone, which its public document tells.
    if (failure.status === 401 || failure.status === undefined) this.refresh();
  }

  async #stream(audience: string, signal: AbortSignal): Promise<StreamEnd> {
    const token = await this.#ports.token(audience, 'current');
    if (token === undefined) return noKey;
    return streamDocuments(this.#connection, {
      url: `${this.settings.endpoint}/private/${this.settings.document}/stream`,
      token,
      ...(this.#lastEventId === undefined ? {} : { lastEventId: this.#lastEventId }),
      limits: defaultLimits,
      parser: this.#ports.eventParser(),
      silenceMs: 40_000,
      signal,
      onOpen: () => {
        this.#opened = true;
        this.#update({ ...heardNothingNew(this.#hearing, 'private', this.#ports.clock.now()), mode: 'stream' }, true);
      },
      onDocument: (document) => {
        this.#lastEventId = document.id;
        this.#update(heardPrivate(this.#hearing, this.#heard(document.data)), true);
      },
    });
  }

  async #poll(audience: string, signal: AbortSignal): Promise<StreamEnd> {
    const first = await this.#ask(await this.#ports.token(audience, 'current'), signal);
    // A peer that polls us may still know only the key before: one more try with that (trust rule 14).
    const previous =
      first.kind === 'failed' && first.status === 401 ? await this.#ports.token(audience, 'previous') : undefined;
    const outcome = previous === undefined ? first : await this.#ask(previous, signal);
    if (outcome.kind === 'failed') return outcome;
    if (signal.aborted) return { kind: 'ended' };
    if (outcome.kind === 'unchanged') {
      const { privateFailure, mode } = this.#hearing;
      const unchanged = heardNothingNew(this.#hearing, 'private', this.#ports.clock.now());
      this.#update({ ...unchanged, mode: 'poll' }, privateFailure !== undefined || mode !== 'poll');
    } else {
      this.#privateEtag = outcome.etag;
      this.#update({ ...heardPrivate(this.#hearing, this.#heard(outcome.body, outcome.peerTime)), mode: 'poll' }, true);
    }
    return { kind: 'ended' };
  }

  async #ask(token: string | undefined, signal: AbortSignal): Promise<FetchOutcome> {
    if (token === undefined) return noKey;
    return fetchDocument(this.#connection, {
      url: `${this.settings.endpoint}/private/${this.settings.document}.json`,
      token,
      ...(this.#privateEtag === undefined ? {} : { etag: this.#privateEtag }),
      limits: defaultLimits,
      signal,
    });
  }

  #heard(body: string, peerTime?: number): HeardDocument {
    return heardDocument(body, this.#ports.clock.now(), peerTime);
  }

  #fail(which: 'public' | 'private', failure: FetchFailure): void {
    this.#update(heardFailure(this.#hearing, which, failure, this.#ports.clock.now()), true);
  }

  #update(hearing: Hearing, tell: boolean): void {
    this.#hearing = hearing;
    if (tell) this.#ports.onHeard();
  }
}
