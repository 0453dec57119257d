import { parseCertificate } from '#trust';

/** A server's certificate and its key, PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** The door's self-signed certificate as its Secret keeps it; times in Unix milliseconds. */
export interface DoorCertificate {
  readonly current: CertificatePair;
  /** Announced to peers, not served yet. */
  readonly next?: CertificatePair;
  /** Served until the last change, still told to peers. */
  readonly previous?: string;
  readonly rotation: {
    /** Last request that was begun, so that each is carried out once. */
    readonly request?: string;
    readonly announcedAt?: number;
    readonly switchedAt?: number;
  };
}

export interface DoorCertificateFacts {
  readonly now: number;
  readonly request?: string;
  /** How long a certificate is told to peers before it is served, and how long the one before is told after. */
  readonly times: { readonly announceMs: number; readonly honourMs: number };
  /** A new self-signed certificate for the same names. */
  readonly fresh: (old: string) => CertificatePair;
}

const lastMonthsMs = 60 * 24 * 3600 * 1000;

/**
 * Where the certificate stands after one look: a request, or an end in sight, adds the next one, which peers are told of first; then it is
 * served; the one before is dropped at last. A request that comes while one is announced joins it. The same object returned = nothing to do.
 */
export function advanceDoorCertificate(state: DoorCertificate, facts: DoorCertificateFacts): DoorCertificate {
  const { rotation, next, previous } = state;
  const { now, times, request } = facts;
  const isAsked = request !== undefined && request !== rotation.request;
  if (next !== undefined) {
    const joined = isAsked ? { ...rotation, request } : rotation;
    if (now >= (rotation.announcedAt ?? 0) + times.announceMs)
      return { current: next, previous: state.current.cert, rotation: { ...joined, switchedAt: now } };
    return isAsked ? { ...state, rotation: joined } : state;
  }
  if (previous !== undefined) {
    if (now < (rotation.switchedAt ?? 0) + times.honourMs) return state;
    return { current: state.current, rotation: asked(rotation.request) };
  }
  if (!isAsked && parseCertificate(state.current.cert).notAfter - now > lastMonthsMs) return state;
  const begun = { ...asked(request ?? rotation.request), announcedAt: now };
  return { current: state.current, next: facts.fresh(state.current.cert), rotation: begun };
}

/** What peers check the door against, PEM. */
export function doorAuthorities({ current, next, previous }: DoorCertificate): string {
  return [current.cert, next?.cert ?? '', previous ?? '']
    .filter((pem) => pem !== '')
    .map((pem) => `${pem.trim()}\n`)
    .join('');
}

/** Milliseconds until time alone changes it; undefined when nothing is under way. */
export function nextDoorChangeMs(
  { rotation, next, previous }: DoorCertificate,
  { now, times }: Pick<DoorCertificateFacts, 'now' | 'times'>,
): number | undefined {
  if (next !== undefined) return Math.max(0, (rotation.announcedAt ?? 0) + times.announceMs - now);
  return previous === undefined ? undefined : Math.max(0, (rotation.switchedAt ?? 0) + times.honourMs - now);
}

/** How a change stands, in words for the operator. */
export function doorReport({ rotation, next, previous }: DoorCertificate): {
  readonly phase: 'announced' | 'in use';
  readonly request?: string;
  readonly message: string;
} {
  if (next !== undefined)
    return {
      phase: 'announced',
      ...asked(rotation.request),
      message: 'peers are told of the next certificate; it is not served yet',
    };
  const message =
    previous === undefined
      ? 'nothing is under way'
      : 'it is served; the one before is honoured a while longer, and another change begins after that';
  return { phase: 'in use', ...asked(rotation.request), message };
}

function asked(request: string | undefined): { readonly request?: string } {
  return request === undefined ? {} : { request };
}
