import { createPrivateKey } from 'node:crypto';
import { buildCertificate, subjectDerOf } from './certificate-builder.js';
import { parseCertificate } from './certificate.js';
import { splitCertificates } from './pem.js';
import type { CaFiles } from './workload-ca.js';

/** How far the change from one root to the next has come; times in Unix milliseconds. */
export interface CaRotation {
  /** Last request that was begun, so that each is carried out once. */
  readonly request?: string;
  /** Both roots are trusted, the old one issues. */
  readonly announcedAt?: number;
  /** Both roots are trusted, the new one issues. */
  readonly switchedAt?: number;
  /** SHA-256 (hex) of the roots that leave. */
  readonly leaving?: readonly string[];
  /** When the last certificate under the old root ends. */
  readonly leavingUntil?: number;
  /** No certificate that was issued so far ends later. */
  readonly issuedUntil?: number;
}

/** A generated CA as its Secret keeps it. */
export interface CaState {
  readonly files: CaFiles;
  /** Announced, issues nothing yet. */
  readonly next?: Pick<CaFiles, 'ca-cert.pem' | 'ca-key.pem'>;
  readonly rotation: CaRotation;
}

export interface CaRotationFacts {
  readonly now: number;
  /** The wish for another root; each value is met once. */
  readonly request?: string;
  /** How long a root is announced, at least, before it issues. */
  readonly announceMs: number;
  /** True when every namespace holds the roots of this state. */
  readonly distributed: boolean;
  readonly freshCa: () => CaFiles;
  /** 16 random bytes. */
  readonly serial: () => Uint8Array;
}

const lastYearMs = 365 * 24 * 3600 * 1000;

/** `issuing`: nothing is under way. */
export type CaPhase = 'issuing' | 'announced' | 'leaving';

export function phaseOf({ rotation, next }: CaState): CaPhase {
  if (next !== undefined) return 'announced';
  return rotation.leaving === undefined ? 'issuing' : 'leaving';
}

/**
 * Where a generated CA stands after one look (trust rules 6 and 14): a request adds a root, certified by the old one too; once announced long
 * enough, and everywhere, it issues; the old root is dropped when the last certificate under it has ended. A request that comes while a root is
 * announced joins it; a later one waits until the old root is gone. Nothing forces anyone to ask for a certificate earlier than it would. The
 * same state returned = nothing to do.
 */
export function advanceCa(state: CaState, facts: CaRotationFacts): CaState {
  switch (phaseOf(state)) {
    case 'issuing':
      return isAsked(state, facts) || endsSoon(state, facts) ? announced(state, facts) : state;
    case 'announced':
      return isRipe(state, facts) ? switched(joined(state, facts), facts) : joined(state, facts);
    case 'leaving':
      return (state.rotation.leavingUntil ?? 0) < facts.now ? dropped(state) : state;
  }
}

/** Milliseconds until time alone changes the state; undefined when nothing is under way. */
export function nextCaChangeMs(
  state: CaState,
  { now, announceMs }: Pick<CaRotationFacts, 'now' | 'announceMs'>,
): number | undefined {
  const { announcedAt = 0, leavingUntil = 0 } = state.rotation;
  const phase = phaseOf(state);
  if (phase === 'issuing') return undefined;
  return Math.max(0, (phase === 'announced' ? announcedAt + announceMs : leavingUntil + 1) - now);
}

/** A certificate that was issued: its end and the root it leads to (SHA-256, hex). */
export interface IssuedCertificate {
  readonly notAfter: number;
  readonly root: string;
}

/**
 * Takes up how long certificates last that were issued, with a quarter of their life to spare, so that it is written a few times a day and not
 * once per certificate. The same state returned = it is in the record already.
 */
export function recordIssued(state: CaState, { notAfter, root }: IssuedCertificate, now: number): CaState {
  const { rotation } = state;
  const until = notAfter + Math.max(0, Math.ceil((notAfter - now) / 4));
  const known = notAfter <= (rotation.issuedUntil ?? 0);
  // A replica that had not yet heard of the change went on under the old root: that one stays so long.
  const late = rotation.leaving?.includes(root) === true && notAfter > (rotation.leavingUntil ?? 0);
  if (known && !late) return state;
  return {
    ...state,
    rotation: {
      ...rotation,
      issuedUntil: known ? (rotation.issuedUntil ?? 0) : until,
      ...(late ? { leavingUntil: until } : {}),
    },
  };
}

function isAsked({ rotation }: CaState, { request }: CaRotationFacts): boolean {
  return request !== undefined && request !== rotation.request;
}

/** Nobody has to remember a date: a root in its last year is replaced unasked. */
function endsSoon({ files }: CaState, { now }: CaRotationFacts): boolean {
  return parseCertificate(files['ca-cert.pem']).notAfter - now < lastYearMs;
}

function isRipe({ rotation }: CaState, { now, announceMs, distributed }: CaRotationFacts): boolean {
  return distributed && now >= (rotation.announcedAt ?? 0) + announceMs;
}

function joined(state: CaState, facts: CaRotationFacts): CaState {
  const { request } = facts;
  if (request === undefined || !isAsked(state, facts)) return state;
  return { ...state, rotation: { ...state.rotation, request } };
}

function announced(state: CaState, { now, request, freshCa, serial }: CaRotationFacts): CaState {
  const { files } = state;
  const fresh = freshCa();
  const old = parseCertificate(files['ca-cert.pem']);
  const root = parseCertificate(fresh['ca-cert.pem']);
  const cross = buildCertificate(
    {
      subject: {},
      subjectDer: subjectDerOf(root),
      publicKey: root.publicKey,
      serial: serial(),
      notBefore: Math.max(root.notBefore, old.notBefore),
      notAfter: Math.min(root.notAfter, old.notAfter),
      isCA: true,
      keyUsage: ['keyCertSign', 'cRLSign'],
      uris: root.uris,
    },
    { key: createPrivateKey(files['ca-key.pem']), certificate: old },
  );
  return {
    files: {
      ...files,
      'root-cert.pem': concatenated([files['root-cert.pem'], root.pem]),
      'cross-cert.pem': concatenated([files['cross-cert.pem'] ?? '', cross.pem]),
    },
    next: { 'ca-cert.pem': fresh['ca-cert.pem'], 'ca-key.pem': fresh['ca-key.pem'] },
    rotation: { ...kept(state.rotation), ...(request === undefined ? {} : { request }), announcedAt: now },
  };
}

function switched(state: CaState, { now }: CaRotationFacts): CaState {
  const { files, next, rotation } = state;
  if (next === undefined) return state;
  const fresh = parseCertificate(next['ca-cert.pem']);
  const leaving = splitCertificates(files['root-cert.pem'])
    .map((pem) => parseCertificate(pem).fingerprint)
    .filter((fingerprint) => fingerprint !== fresh.fingerprint);
  return {
    files: { ...files, ...next, 'cert-chain.pem': concatenated([files['cross-cert.pem'] ?? '']) },
    rotation: { ...rotation, switchedAt: now, leaving, leavingUntil: Math.max(now, rotation.issuedUntil ?? 0) },
  };
}

function dropped({ files, rotation }: CaState): CaState {
  const leaving = new Set(rotation.leaving);
  const stays = splitCertificates(files['root-cert.pem']).filter(
    (pem) => !leaving.has(parseCertificate(pem).fingerprint),
  );
  const { 'cross-cert.pem': _gone, ...rest } = files;
  return {
    files: { ...rest, 'root-cert.pem': concatenated(stays), 'cert-chain.pem': files['ca-cert.pem'] },
    rotation: kept(rotation),
  };
}

function kept({ request, issuedUntil: until }: CaRotation): CaRotation {
  return { ...(request === undefined ? {} : { request }), ...(until === undefined ? {} : { issuedUntil: until }) };
}

function concatenated(pems: readonly string[]): string {
  return pems
    .filter((pem) => pem.trim() !== '')
    .map((pem) => `${pem.trim()}\n`)
    .join('');
}
