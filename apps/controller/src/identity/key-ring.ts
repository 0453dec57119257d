import { hasFields, parsedJson } from '#model';
import { readPublicSigningKey } from '#trust';

/** One Ed25519 signing key of this cluster as Secret `isthmus-signing-keys` keeps it; times are Unix milliseconds. */
export interface StoredSigningKey {
  readonly kid: string;
  readonly privatePem: string;
  readonly publicPem: string;
  readonly state: 'next' | 'current' | 'retired';
  /** Certificate by which the workload CA vouches for this key: leaf, intermediates (trust rule 4); absent until it was issued. */
  readonly chain?: readonly string[];
  /** Digest of the roots under which `chain` was issued: other roots mean a new certificate. */
  readonly rootsDigest?: string;
  readonly chainIssuedAt?: number;
  readonly chainExpiresAt?: number;
  readonly announcedAt: number;
  readonly currentSince?: number;
  readonly retiredAt?: number;
}

export interface KeyRing {
  readonly version: 1;
  readonly keys: readonly StoredSigningKey[];
  /** Last rotation request (annotation value) that was carried out, so that each is carried out once. */
  readonly handledRequest?: string;
}

/** Peers refuse a document that names more (docs/protocol.md, "Limits"). */
export const mostKeys = 8;

export const emptyKeyRing: KeyRing = { version: 1, keys: [] };

export interface RotationTimes {
  /** How long a new key is announced as `next` before it signs. */
  readonly announceMs: number;
  /** How long the old key is still named after that. */
  readonly honourMs: number;
}

/** A key pair as made by the key source; what the ring stores of it at birth. */
export interface FreshKey {
  readonly kid: string;
  readonly privatePem: string;
  readonly publicPem: string;
}

export interface RingFacts {
  readonly now: number;
  readonly times: RotationTimes;
  /** Value of the annotation that asks for a rotation. */
  readonly request?: string;
  readonly freshKey: () => FreshKey;
}

/**
 * Where the ring stands after one look: a first key becomes current at once; a request adds a `next` key, or joins the one that is announced; an
 * announced key is promoted after its time and the old one retired; a retired one is dropped after its end. While the ring is full a request
 * waits for that. Pure but for `freshKey`. Same ring returned = nothing to do.
 */
export function advance(ring: KeyRing, facts: RingFacts): KeyRing {
  return [begin, drop, announce, promote].reduce((current, step) => step(current, facts), ring);
}

/** Milliseconds until time alone changes the ring; undefined when nothing is under way. */
export function nextChangeMs(ring: KeyRing, now: number, times: RotationTimes): number | undefined {
  const moments = ring.keys.flatMap((key) => {
    if (key.state === 'retired') return [(key.retiredAt ?? now) + times.honourMs];
    return [
      ...(key.chainIssuedAt === undefined ? [] : [renewalAt(key)]),
      ...(key.state === 'next' ? [key.announcedAt + times.announceMs] : []),
    ];
  });
  return moments.length === 0 ? undefined : Math.max(0, Math.min(...moments) - now);
}

/** When a key's certificate is to be renewed: with a third of its life left; at once where it is not told when it was issued. Unix milliseconds. */
export function renewalAt({ chainIssuedAt = 0, chainExpiresAt = 0 }: StoredSigningKey): number {
  return chainIssuedAt === 0 ? 0 : chainExpiresAt - (chainExpiresAt - chainIssuedAt) / 3;
}

/** How a change of keys stands, in words for the operator; names no secret. */
export interface SigningKeyReport {
  readonly phase: 'announced' | 'in use';
  readonly request?: string;
  readonly message: string;
  /** By the fingerprint that peers see and pin. */
  readonly keys: readonly { readonly fingerprint: string; readonly state: StoredSigningKey['state'] }[];
}

export function signingKeyReport(ring: KeyRing): SigningKeyReport {
  const next = ring.keys.find(({ state }) => state === 'next');
  const signing = currentKey(ring);
  const current = signing === undefined ? 'none' : fingerprintOf(signing);
  const keys = ring.keys.map((key) => ({ fingerprint: fingerprintOf(key), state: key.state }));
  const told = { ...(ring.handledRequest === undefined ? {} : { request: ring.handledRequest }), keys };
  if (next !== undefined)
    return {
      phase: 'announced',
      ...told,
      message: `key ${fingerprintOf(next)} is announced to peers; ${current} still signs`,
    };
  const honoured = previousKey(ring) === undefined ? '' : '; the one before is honoured a while longer';
  const full =
    ring.keys.length < mostKeys
      ? ''
      : `; peers are told ${mostKeys} keys, and take no more: a further change waits until the oldest is honoured no longer`;
  return { phase: 'in use', ...told, message: `key ${current} signs${honoured}${full}` };
}

function fingerprintOf({ publicPem }: StoredSigningKey): string {
  return `sha256:${readPublicSigningKey(publicPem)?.fingerprint ?? ''}`;
}

export function currentKey(ring: KeyRing): StoredSigningKey | undefined {
  return ring.keys.find((key) => key.state === 'current');
}

/** The key that was current before, while it is still honoured. */
export function previousKey(ring: KeyRing): StoredSigningKey | undefined {
  const retired = ring.keys.filter((key) => key.state === 'retired');
  return retired.sort((a, b) => (b.retiredAt ?? 0) - (a.retiredAt ?? 0))[0];
}

function begin(ring: KeyRing, facts: RingFacts): KeyRing {
  if (currentKey(ring) !== undefined) return ring;
  const first: StoredSigningKey = {
    ...facts.freshKey(),
    state: 'current',
    announcedAt: facts.now,
    currentSince: facts.now,
  };
  // A request that stood there before the first key is met by it.
  return {
    ...ring,
    keys: [...ring.keys, first],
    ...(facts.request === undefined ? {} : { handledRequest: facts.request }),
  };
}

function announce(ring: KeyRing, facts: RingFacts): KeyRing {
  const { request } = facts;
  if (request === undefined || request === ring.handledRequest) return ring;
  // Whoever asks while a key is announced gets that one.
  if (ring.keys.some((key) => key.state === 'next')) return { ...ring, handledRequest: request };
  if (ring.keys.length >= mostKeys) return ring;
  const next: StoredSigningKey = { ...facts.freshKey(), state: 'next', announcedAt: facts.now };
  return { ...ring, keys: [...ring.keys, next], handledRequest: request };
}

function promote(ring: KeyRing, { now, times }: RingFacts): KeyRing {
  const ripe = ring.keys.find(
    (key) => key.state === 'next' && key.chain !== undefined && key.announcedAt + times.announceMs <= now,
  );
  if (ripe === undefined) return ring;
  const keys = ring.keys.map((key): StoredSigningKey => {
    if (key === ripe) return { ...key, state: 'current', currentSince: now };
    return key.state === 'current' ? { ...key, state: 'retired', retiredAt: now } : key;
  });
  return { ...ring, keys };
}

function drop(ring: KeyRing, { now, times }: RingFacts): KeyRing {
  const kept = ring.keys.filter((key) => key.state !== 'retired' || (key.retiredAt ?? now) + times.honourMs > now);
  return kept.length === ring.keys.length ? ring : { ...ring, keys: kept };
}

/** Reads what the Secret holds; an unreadable ring is an error that names the Secret and shows nothing of it, never a silent new identity. */
export function parseKeyRing(text: string): KeyRing {
  const value = parsedJson(text);
  if (hasFields(value, [], { keys: isStoredKey }) && value['version'] === 1) return value as unknown as KeyRing;
  throw new Error(
    'Secret isthmus-signing-keys, key keys.json: not a key ring of version 1; restore it from a backup (a new key would need approval at every peer)',
  );
}

function isStoredKey(value: unknown): boolean {
  return hasFields(value, ['kid', 'privatePem', 'publicPem', 'state']) && Number.isFinite(value['announcedAt']);
}
