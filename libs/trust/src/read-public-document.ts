import type { Reason } from '#crd';
import type { TrustedKey } from '#model';
import { chainTo, parseCertificate, spkiFingerprint } from './certificate.js';
import type { Certificate } from './certificate.js';
import { listsTooLarge, usableLists } from './crl.js';
import { splitCertificates } from './pem.js';
import type { FirstContact, PeerFacts } from './peer-facts.js';
import type { ProvenSignatures } from './proven-signatures.js';
import { openSigned, publicPayload, refused, signerAmong } from './read-signed.js';
import type { Refusal } from './read-signed.js';
import { readCrossCertificates, readRoots, tlsCaFault, vouchedByOldCa } from './roots.js';
import type { SignedPublicPayload } from './signed-payload.js';
import { readPublicSigningKey } from './signing-key.js';

/** `pins` of a resource: `sha256:<hex>` of a root's DER, of a key's SPKI. */
export interface Pins {
  readonly roots?: readonly string[];
  readonly keys?: readonly string[];
}

/** A public document after decoding (libs/protocol), and everything it is judged against. */
export interface PublicDocumentInput {
  readonly document: {
    readonly clusterUUID: string;
    readonly authnKeyPub: string;
    readonly rootCA: string;
    readonly crl?: string;
    readonly signed?: string;
  };
  /** Who made the signature of `signed`. */
  readonly proven: ProvenSignatures;
  readonly known?: PeerFacts;
  readonly pins?: Pins;
  /** From the resource; a multicluster peer may leave them to the signed document. */
  readonly trustDomain?: string;
  readonly clusterDomain?: string;
  readonly ownClusterUUID: string;
  /** True when the connection was verified by `metadata.ca`. */
  readonly verifiedByCa: boolean;
  readonly now: number;
}

export interface PublicDocumentAccepted {
  readonly kind: 'accepted';
  readonly facts: PeerFacts;
  readonly firstContact: FirstContact;
}

/** What a peer shows and nothing known vouches for. */
export interface PendingApproval {
  /** PEM. */
  readonly roots: readonly string[];
  readonly keys: readonly Pick<TrustedKey, 'kid' | 'pem'>[];
}

/** The peer changed what only a person may approve; the old facts go on. `fingerprint` is what goes into `pins`. */
export interface PublicDocumentHeld {
  readonly kind: 'held';
  readonly reason: Extract<Reason, 'RootChangedPendingApproval' | 'KeyChangedPendingApproval'>;
  readonly message: string;
  readonly fingerprint: string;
  /** All that waits: a key and roots may have changed together. */
  readonly pending: PendingApproval;
}

export type PublicDocumentVerdict = PublicDocumentAccepted | PublicDocumentHeld | Refusal;

/** A document whose own halves agree, before it is compared with what is known. */
interface Claimed {
  readonly facts: PeerFacts;
  readonly roots: readonly Certificate[];
  readonly crossCertificates: readonly Certificate[];
  readonly signer?: TrustedKey;
}

/** Judges a peer's public document (trust rules 4 to 7). Pure. */
export function readPublicDocument(input: PublicDocumentInput): PublicDocumentVerdict {
  const { document, known } = input;
  if (document.clusterUUID === input.ownClusterUUID)
    return refused(
      'UUIDConflict',
      'clusterUUID: the peer shows this cluster’s own UUID; is metadataEndpoint this cluster’s own?',
    );
  if (known !== undefined && known.clusterUUID !== document.clusterUUID) {
    return refused(
      'UUIDConflict',
      `clusterUUID: ${document.clusterUUID} instead of ${known.clusterUUID}; another cluster answers there now. If that is meant, delete and create the resource anew`,
    );
  }
  if (known?.signed === true && document.signed === undefined)
    return refused(
      'SignatureInvalid',
      'signed: missing, although this peer signed before; once signed, always signed. If another system answers there now on purpose, delete and create the resource anew',
    );
  const claimed = document.signed === undefined ? legacyClaim(input) : signedClaim(input, document.signed);
  if ('kind' in claimed) return claimed;
  return known === undefined ? firstContact(claimed, input) : continued(claimed, known, input);
}

function legacyClaim(input: PublicDocumentInput): Claimed | Refusal {
  const { document, trustDomain, now } = input;
  const key = readPublicSigningKey(document.authnKeyPub);
  if (key === undefined) return refused('DocumentInvalid', 'authnKeyPub: not an Ed25519 public key in PKIX PEM');
  const roots = readRoots([document.rootCA], now);
  if ('kind' in roots) return roots;
  const oversize = listsTooLarge(document.crl === undefined ? [] : [document.crl]);
  if (oversize !== undefined) return refused('DocumentInvalid', oversize);
  if (trustDomain === undefined)
    return refused(
      'SpecInvalid',
      'spec.trustDomain: needed, since this peer shows no signed document that would tell it',
    );
  const facts: PeerFacts = {
    clusterUUID: document.clusterUUID,
    trustDomain,
    clusterDomain: input.clusterDomain ?? trustDomain,
    roots: roots.map(({ pem }) => pem),
    keys: [{ kid: key.kid, pem: key.pem, state: 'current' }],
    ...revocation(document.crl === undefined ? [] : [document.crl], roots, [], now),
    signed: false,
    seq: 0,
  };
  return { facts, roots, crossCertificates: [] };
}

function signedClaim(input: PublicDocumentInput, raw: string): Claimed | Refusal {
  const jws = openSigned(raw, input.now, 'public.json');
  if ('kind' in jws) return jws;
  const payload = publicPayload(jws.payload);
  if (typeof payload === 'string')
    return refused('DocumentInvalid', `public.json: signed.${payload}: missing, of another type or too long`);
  const signer = signerAmong(jws, payload.keys, input.proven);
  if (signer?.state !== 'current')
    return refused('SignatureInvalid', 'public.json: no key that it names as current made its signature');
  const roots = readRoots(payload.roots, input.now);
  if ('kind' in roots) return roots;
  const oversize = listsTooLarge(payload.crls);
  if (oversize !== undefined) return refused('DocumentInvalid', oversize);
  const fault =
    tlsCaFault(payload.tlsCA) ?? disagreement(input, payload) ?? keyChainFault(payload, signer, roots, input.now);
  if (fault !== undefined) return fault;
  const facts: PeerFacts = {
    clusterUUID: payload.clusterUUID,
    trustDomain: payload.trustDomain,
    clusterDomain: payload.clusterDomain,
    clusterID: payload.clusterID,
    networkName: payload.networkName,
    roots: roots.map(({ pem }) => pem),
    keys: payload.keys,
    ...revocation(payload.crls, roots, authoritiesOf(payload.keyChain), input.now),
    tlsCA: payload.tlsCA,
    signed: true,
    seq: payload.seq,
    expiresAt: payload.exp * 1000,
  };
  return { facts, roots, crossCertificates: readCrossCertificates(payload.crossCertificates ?? [], input.now), signer };
}

/** Lists are kept only as a complete set (trust rule 12); else the fault is kept, for status. */
function revocation(
  crls: readonly string[],
  roots: readonly Certificate[],
  intermediates: readonly Certificate[],
  now: number,
): Pick<PeerFacts, 'crls' | 'crlFault' | 'crlsUntil'> {
  const authorities = [...roots, ...intermediates].map(({ pem }) => pem);
  const { crls: usable, until, fault } = usableLists(crls, [...new Set(authorities)], now);
  return {
    crls: usable,
    ...(until === undefined ? {} : { crlsUntil: until }),
    ...(fault === undefined ? {} : { crlFault: fault }),
  };
}

function readable(pems: readonly string[]): readonly Certificate[] {
  return pems.flatMap(splitCertificates).flatMap((pem) => {
    try {
      return [parseCertificate(pem)];
    } catch {
      return [];
    }
  });
}

/** Intermediate CAs by which the peer's workload certificates are issued, as its own signing key's chain shows them. */
function authoritiesOf(keyChain: readonly string[]): readonly Certificate[] {
  return readable(keyChain).filter(({ isCA }) => isCA);
}

function disagreement(input: PublicDocumentInput, payload: SignedPublicPayload): Refusal | undefined {
  const { document, trustDomain, clusterDomain, known } = input;
  if (payload.clusterUUID !== document.clusterUUID)
    return refused('SignatureInvalid', 'public.json: clusterUUID outside and inside signed differ');
  if (trustDomain !== undefined && payload.trustDomain !== trustDomain)
    return refused(
      'TrustDomainConflict',
      `spec.trustDomain is ${trustDomain}, the peer signs ${payload.trustDomain}; correct the one that is wrong`,
    );
  if (clusterDomain !== undefined && payload.clusterDomain !== clusterDomain)
    return refused(
      'DomainConflict',
      `spec.clusterDomain is ${clusterDomain}, the peer signs ${payload.clusterDomain}; correct the one that is wrong`,
    );
  if (known !== undefined && payload.seq < known.seq)
    return refused(
      'SignatureInvalid',
      `public.json: seq ${payload.seq} is older than ${known.seq}: an old document is being replayed, or the peer lost its state; if it was not restored from a backup, take it for an attack and set spec.pins`,
    );
  return undefined;
}

/** The signing key's certificate: for that key, in the peer's trust domain, leading to one of the roots. */
function keyChainFault(
  payload: SignedPublicPayload,
  signer: TrustedKey,
  roots: readonly Certificate[],
  now: number,
): Refusal | undefined {
  const [leaf, ...rest] = readable(payload.keyChain);
  if (leaf === undefined)
    return refused('SignatureInvalid', 'public.json: keyChain holds no certificate for the signing key');
  const key = readPublicSigningKey(signer.pem);
  if (key === undefined || spkiFingerprint(leaf.publicKey) !== key.fingerprint)
    return refused('SignatureInvalid', 'public.json: keyChain certifies another key than the one that signed');
  if (!leaf.uris.some((uri) => uri.startsWith(`spiffe://${payload.trustDomain}/`)))
    return refused(
      'SignatureInvalid',
      `public.json: keyChain names no SPIFFE id of trust domain ${payload.trustDomain}`,
    );
  if (chainTo(leaf, rest, roots, now) === undefined)
    return refused('SignatureInvalid', 'public.json: keyChain does not lead to one of the roots, or has expired');
  return undefined;
}

function firstContact(claimed: Claimed, input: PublicDocumentInput): PublicDocumentVerdict {
  const pinned = unpinned(claimed, input.pins ?? {});
  if (pinned !== undefined)
    return refused(
      'PinMismatch',
      `${pinned.what} sha256:${pinned.fingerprint} is not in spec.pins.${pinned.list}; compare it with the peer's operator before adding it`,
    );
  return {
    kind: 'accepted',
    facts: claimed.facts,
    firstContact: pinsVouch(claimed, input.pins ?? {}) ? 'Pinned' : input.verifiedByCa ? 'VerifiedCA' : 'Blind',
  };
}

/** A signed document ties key and roots together, so one list is enough; a legacy document's halves need both. */
function pinsVouch(claimed: Claimed, { roots = [], keys = [] }: Pins): boolean {
  return claimed.signer === undefined ? roots.length > 0 && keys.length > 0 : roots.length + keys.length > 0;
}

interface Unpinned {
  readonly what: string;
  readonly fingerprint: string;
  readonly list: 'roots' | 'keys';
}

/** First root or key that a non-empty list of pins does not name. */
function unpinned(claimed: Claimed, pins: Pins): Unpinned | undefined {
  const root =
    (pins.roots?.length ?? 0) > 0
      ? claimed.roots.find(({ fingerprint }) => !isPinned(pins.roots, fingerprint))
      : undefined;
  if (root !== undefined) return { what: 'root', fingerprint: root.fingerprint, list: 'roots' };
  const signing = claimed.signer ?? claimed.facts.keys[0];
  const key = signing === undefined ? undefined : readPublicSigningKey(signing.pem);
  if ((pins.keys?.length ?? 0) === 0 || key === undefined || isPinned(pins.keys, key.fingerprint)) return undefined;
  return { what: 'signing key', fingerprint: key.fingerprint, list: 'keys' };
}

/** What pins that were set or changed after first contact say of the facts in use: they vouch, they contradict, or they don't say. */
export function judgePins(facts: PeerFacts, pins: Pins): 'vouch' | 'contradict' | 'silent' {
  const { roots = [], keys = [] } = pins;
  const byRoot = facts.roots.some((pem) => isPinned(roots, parseCertificate(pem).fingerprint));
  const current = facts.keys.filter(({ state }) => state !== 'retired').map(({ pem }) => readPublicSigningKey(pem));
  const byKey = current.some((key) => key !== undefined && isPinned(keys, key.fingerprint));
  if ((roots.length > 0 && !byRoot) || (keys.length > 0 && !byKey)) return 'contradict';
  const enough = facts.signed ? byRoot || byKey : byRoot && byKey;
  return enough ? 'vouch' : 'silent';
}

function isPinned(list: readonly string[] | undefined, fingerprint: string): boolean {
  return list?.some((pin) => pin.toLowerCase() === `sha256:${fingerprint}`) ?? false;
}

/** Continuity with what is known (trust rule 6). A legacy peer's change has nothing that vouches for it. */
function continued(claimed: Claimed, known: PeerFacts, input: PublicDocumentInput): PublicDocumentVerdict {
  const { signer } = claimed;
  const signing = signer ?? claimed.facts.keys[0];
  const byKnownKey =
    signing !== undefined && known.keys.some((key) => key.kid === signing.kid && key.state !== 'retired');
  const key = signing === undefined ? undefined : readPublicSigningKey(signing.pem);
  const keyWaits = !byKnownKey && key !== undefined && !isPinned(input.pins?.keys, key.fingerprint);
  const knownRoots = known.roots.map(parseCertificate);
  const news = claimed.roots.filter(({ fingerprint }) => !knownRoots.some((root) => root.fingerprint === fingerprint));
  const vouched = (root: Certificate): boolean =>
    signer !== undefined && byKnownKey && vouchedByOldCa(root, knownRoots, claimed.crossCertificates);
  const unapproved = news.filter((root) => !vouched(root) && !isPinned(input.pins?.roots, root.fingerprint));
  const pending = { roots: unapproved.map(({ pem }) => pem), keys: keyWaits ? [key] : [] };
  if (keyWaits) return held('KeyChangedPendingApproval', 'signing key', key.fingerprint, 'keys', pending);
  const [root] = unapproved;
  if (root !== undefined) return held('RootChangedPendingApproval', 'root', root.fingerprint, 'roots', pending);
  return { kind: 'accepted', facts: claimed.facts, firstContact: 'Blind' };
}

function held(
  reason: PublicDocumentHeld['reason'],
  what: string,
  fingerprint: string,
  list: string,
  pending: PendingApproval,
): PublicDocumentHeld {
  const message = `the peer shows a new ${what}, sha256:${fingerprint}, for which nothing known vouches; the old one goes on. After checking it with the peer's operator add it to spec.pins.${list}`;
  return { kind: 'held', reason, message, fingerprint, pending };
}
