import type { KeyObject } from 'node:crypto';
import forge from 'node-forge';
import type { Certificate } from './certificate.js';
import { subjectDerOf } from './certificate-builder.js';
import { parseCertificate } from './certificate.js';
import {
  bits,
  bytesOf,
  childrenOf,
  dottedOf,
  fromDer,
  integer,
  isContext,
  isObjectId,
  objectId,
  octets,
  positiveInteger,
  sequence,
  tagged,
  time,
  timeOf,
  toDer,
} from './der.js';
import type { Node } from './der.js';
import { oid } from './oids.js';
import { decodePem, encodePem } from './pem.js';
import { algorithmIdentifier, signatureHolds, signDer } from './signature.js';

/** A certificate revocation list as read (RFC 5280, section 5); times in Unix milliseconds, serials as lower-case hex. */
export interface RevocationList {
  readonly pem: string;
  readonly issuerDer: Buffer;
  readonly thisUpdate: number;
  readonly nextUpdate?: number;
  readonly revoked: readonly string[];
  /** True when this key signed the list. */
  readonly signedBy: (key: KeyObject) => boolean;
}

export interface RevocationOrder {
  readonly issuer: Certificate;
  readonly key: KeyObject;
  readonly number: number;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly { readonly serial: Uint8Array; readonly at: number }[];
}

/** Builds and signs a version 2 list with its number; PEM block `X509 CRL`. */
export function buildCrl(order: RevocationOrder): string {
  const algorithm = algorithmIdentifier(order.key);
  const entries = order.revoked.map(({ serial, at }) => sequence(positiveInteger(serial), time(at)));
  const body = sequence(
    integer(1),
    algorithm,
    fromDer(subjectDerOf(order.issuer)),
    time(order.thisUpdate),
    time(order.nextUpdate),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    tagged(0, [sequence(sequence(objectId(oid.crlNumber), octets(toDer(integer(order.number)))))]),
  );
  return encodePem('X509 CRL', toDer(sequence(body, algorithm, bits(signDer(order.key, toDer(body))))));
}

/** Every list in these PEM texts; throws an error that says which cannot be read. */
export function parseCrls(pems: readonly string[]): readonly RevocationList[] {
  const blocks = pems.flatMap(decodePem).filter(({ label }) => label === 'X509 CRL' || label === 'CRL');
  return blocks.map(({ der }, index) => {
    try {
      return listFromDer(der);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`crl: list ${index + 1} is not a certificate revocation list in DER: ${why}`, { cause });
    }
  });
}

/** A peer's lists may have this many bytes together, in PEM: they go to every proxy. */
const mostListBytes = 256 * 1024;

/** Why a document with these lists is not taken at all: to go without them would switch revocation off unseen. */
export function listsTooLarge(pems: readonly string[]): string | undefined {
  const bytes = pems.reduce((sum, pem) => sum + pem.length, 0);
  return bytes <= mostListBytes
    ? undefined
    : `crl: ${Math.ceil(bytes / 1024)} KiB of revocation lists, at most ${mostListBytes / 1024} KiB are taken; their owner must drop entries of certificates that have expired anyway, or give intermediate CAs shorter lives`;
}

/**
 * So long before it ends a list leaves: proxies that still had one would refuse every certificate under its CA, they take a moment to get the
 * new bundle, and have clocks of their own.
 */
export const listsLeaveMs = 30_000;

/** When lists leave of which the first ends then; both Unix milliseconds. */
export function listsLeaveAt(end: number): number {
  return end - listsLeaveMs;
}

/** Lists that may be handed to proxies, or why none of them may; times in Unix milliseconds. */
export interface UsableLists {
  /** PEM each, sorted; empty when the set is not complete or not current. */
  readonly crls: readonly string[];
  /** When the first of them ends; `listsLeaveAt` says until when they are used. */
  readonly until?: number;
  /** When time alone may change what is told here. */
  readonly changesAt?: number;
  /** Why they are not used; absent where there were none or all are good. */
  readonly fault?: string;
}

/** Lists as read, with those of each CA that are really its own, the newest first: all but what time changes. */
export interface ReadLists {
  readonly authorities: readonly { readonly subject: string; readonly lists: readonly TimedList[] }[];
  /** Why they cannot be read. */
  readonly fault?: string;
}

type TimedList = Pick<RevocationList, 'pem' | 'thisUpdate'> & { readonly nextUpdate: number };

/**
 * A peer's lists, only where each CA that stands in its chains has a current one (trust rule 12): lists in a bundle make Envoy check the
 * whole chain, and a missing or expired one would refuse every certificate. `authorities` = roots and intermediates, PEM each.
 */
export function usableLists(pems: readonly string[], authorities: readonly string[], now: number): UsableLists {
  return listsUsableAt(readLists(pems, authorities), now);
}

/** Reads lists and proves their signatures: a large one takes its time, so what is asked for again and again is kept. */
export function readLists(pems: readonly string[], authorities: readonly string[]): ReadLists {
  if (pems.every((pem) => pem.trim() === '')) return { authorities: [] };
  let lists: readonly RevocationList[];
  try {
    lists = parseCrls(pems);
  } catch (error) {
    return { authorities: [], fault: (error as Error).message };
  }
  return { authorities: authorities.map((pem) => ownListsOf(parseCertificate(pem), lists)) };
}

/** What `usableLists` tells, of lists that were read before. */
export function listsUsableAt({ authorities, fault }: ReadLists, now: number): UsableLists {
  if (fault !== undefined) return { crls: [], fault };
  const times = authorities.flatMap(({ lists }) =>
    lists.flatMap(({ thisUpdate, nextUpdate }) => [thisUpdate, listsLeaveAt(nextUpdate)]),
  );
  const next = Math.min(...times.filter((time) => time > now));
  const change = Number.isFinite(next) ? { changesAt: next } : {};
  const chosen: TimedList[] = [];
  for (const { subject, lists } of authorities) {
    const current = lists.find(({ thisUpdate, nextUpdate }) => thisUpdate <= now && now < listsLeaveAt(nextUpdate));
    if (current === undefined)
      return {
        crls: [],
        fault: `crl: no list that is valid now and for another ${listsLeaveMs / 1000} s from the CA "${subject}": revocation is not checked until there is a complete set`,
        ...change,
      };
    chosen.push(current);
  }
  const crls = [...new Set(chosen.map(({ pem }) => pem))].sort();
  return crls.length === 0 ? { crls } : { crls, until: Math.min(...chosen.map((list) => list.nextUpdate)), ...change };
}

/** Lists without an end are never used. */
function ownListsOf(authority: Certificate, lists: readonly RevocationList[]): ReadLists['authorities'][number] {
  const name = subjectDerOf(authority);
  return {
    subject: authority.subject.replaceAll('\n', ', '),
    lists: lists
      .filter((list) => list.issuerDer.equals(name) && list.signedBy(authority.publicKey))
      .flatMap(({ pem, thisUpdate, nextUpdate }) => (nextUpdate === undefined ? [] : [{ pem, thisUpdate, nextUpdate }]))
      .sort((a, b) => b.thisUpdate - a.thisUpdate),
  };
}

/**
 * One list, read strictly (RFC 5280, section 5.1): a part that may be left out must not be there empty, and both names of the signature's
 * algorithm agree. Envoy refuses a whole bundle, with all its roots, for a list that OpenSSL still takes.
 */
function listFromDer(der: Buffer): RevocationList {
  const [body, algorithm, signature] = childrenOf(fromDer(der));
  const id = childrenOf(algorithm)[0];
  if (body === undefined || algorithm === undefined || !isObjectId(id)) throw new Error('fields are missing');
  const fields = childrenOf(body);
  // The version is optional and the only INTEGER here; then algorithm, issuer, times.
  const versioned = fields[0]?.type === forge.asn1.Type.INTEGER;
  const [inner, issuer, first, ...rest] = versioned ? fields.slice(1) : fields;
  const thisUpdate = timeOf(first);
  if (inner === undefined || issuer === undefined || thisUpdate === undefined) throw new Error('fields are missing');
  if (!toDer(inner).equals(toDer(algorithm))) throw new Error('it names two algorithms for one signature');
  const nextUpdate = timeOf(rest[0]);
  const revoked = revokedIn(rest.slice(nextUpdate === undefined ? 0 : 1), versioned);
  const content = toDer(body);
  const bytes = bytesOf(signature).subarray(1);
  return {
    pem: encodePem('X509 CRL', der),
    issuerDer: toDer(issuer),
    thisUpdate,
    ...(nextUpdate === undefined ? {} : { nextUpdate }),
    revoked,
    signedBy: (key) => signatureHolds(key, dottedOf(id), content, bytes),
  };
}

/** Serials among what follows the times: the entries, then the list's own extensions; both optional, neither empty. */
function revokedIn(rest: readonly Node[], versioned: boolean): readonly string[] {
  const lists = rest.filter((node) => !isContext(node, 0));
  const extensions = rest.filter((node) => isContext(node, 0)).flatMap((node) => childrenOf(node));
  const [entries] = lists;
  if (lists.length > 1 || rest.length > 2) throw new Error('it has fields that no list has');
  if (entries !== undefined && childrenOf(entries).length === 0)
    throw new Error('its list of entries is there, but empty');
  const parts = childrenOf(entries).map((entry) => childrenOf(entry));
  const more = [...extensions, ...parts.flatMap((entry) => entry.slice(2))];
  if (more.some((node) => childrenOf(node).length === 0)) throw new Error('it has extensions that are empty');
  if (more.length > 0 && !versioned) throw new Error('it has extensions, but is of version 1');
  if (parts.some(([serial, at]) => serial?.type !== forge.asn1.Type.INTEGER || timeOf(at) === undefined))
    throw new Error('an entry lacks its serial or its time');
  return parts.map(([serial]) => bytesOf(serial).toString('hex'));
}
