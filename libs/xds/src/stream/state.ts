import type { Resource } from '#proto';
import type { Served } from './served.js';
import type { Subscription } from './subscription.js';

/** Variants of the aggregated discovery service. */
export type Protocol = 'delta' | 'sotw';

/** A refused response: the client keeps what it had. */
export interface Refusal {
  readonly nonce: string;
  readonly message: string;
}

/** What is known of one type on one stream. */
export interface TypeState {
  readonly subscription: Subscription;
  /** Version per name that the client was sent (or said to hold); an empty version means it was told that there is none. */
  readonly held: ReadonlyMap<string, string>;
  /** Nonces sent and not answered yet, oldest first. While there is one, changes wait and merge. */
  readonly awaiting: readonly string[];
  /** By those nonces: what was sent, of a type that warms (incremental streams). */
  readonly underWay?: ReadonlyMap<string, readonly string[]>;
  readonly lastNonce: string;
  /** version_info last sent. */
  readonly lastVersion: string;
  /** version_info last acknowledged. */
  readonly ackedVersion: string;
  /** The last answer, if it was a NACK. */
  readonly refusal: Refusal | undefined;
}

/** What is held back, by numbers of responses; see `advance`. */
export interface Waits {
  /**
   * Listeners, routes and the rest: held back since this response, for endpoints of clusters sent up to then to be asked for; and from then on for
   * endpoints up to `answered` to be answered.
   */
  readonly referring?: { readonly since: number; readonly answered?: number | undefined } | undefined;
  /** What is gone: until responses up to this one have been answered. */
  readonly gone?: number | undefined;
}

/** One stream, as a value. */
export interface StreamState {
  readonly protocol: Protocol;
  readonly served: Served;
  /** Makes one version of many, for `version_info`. */
  readonly digest: Digest;
  /** Responses sent so far; the nonce is made of it. */
  readonly sequence: number;
  readonly types: ReadonlyMap<string, TypeState>;
  /** Names per type that must be sent again although unchanged, since what they warm was sent (Envoy issues 13009 and 33607). */
  readonly owed: ReadonlyMap<string, ReadonlySet<string>>;
  readonly waits: Waits;
}

/** Hash of texts in order; equal input gives equal output in every replica. */
export type Digest = (parts: Iterable<string>) => string;

/** The part of a DeltaDiscoveryRequest that a stream acts on. */
export interface DeltaRequest {
  readonly kind: 'delta-request';
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: ReadonlyMap<string, string>;
  readonly nonce: string;
  readonly error?: string;
}

/** The part of a DiscoveryRequest that a stream acts on. */
export interface SotwRequest {
  readonly kind: 'sotw-request';
  readonly typeUrl: string;
  readonly names: readonly string[];
  readonly version: string;
  readonly nonce: string;
  readonly error?: string;
}

/** Something that happened: a request came in, or what the proxy is served has changed. */
export type StreamEvent = DeltaRequest | SotwRequest | { readonly kind: 'served'; readonly served: Served };

/** One response to be written. `removed` is empty in state of the world. */
export interface Outgoing {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
}

/** For metrics and logs: how a request was understood. */
export type Reading = 'init' | 'ack' | 'nack' | 'stale' | 'subscription' | 'ignored';

export interface Step {
  readonly state: StreamState;
  readonly send: readonly Outgoing[];
  /** Absent for events that are no requests. */
  readonly reading?: Reading;
}

/** A stream that has seen nothing yet. */
export function openStream(protocol: Protocol, served: Served, digest: Digest): StreamState {
  return { protocol, served, digest, sequence: 0, types: new Map(), owed: new Map(), waits: {} };
}

/** Responses sent and not answered yet, over all types. */
export function outstanding(state: StreamState): number {
  let count = 0;
  for (const type of state.types.values()) count += type.awaiting.length;
  return count;
}

/** The state with one type replaced. */
export function withType(state: StreamState, typeUrl: string, type: TypeState): StreamState {
  return { ...state, types: new Map(state.types).set(typeUrl, type) };
}
