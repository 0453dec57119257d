import type { PeerRef } from '#model';
import { decodeFederationDocument, decodeMulticlusterDocument, decodePublicDocument } from '#protocol';
import { proveSignatures } from '#trust';
import type { PeerMemory, ProvenSignatures } from '#trust';
import type { HeardDocument, Hearing } from '../peer-link/hearing.js';

/** Signed texts of documents that were heard: every pass asks for them, and a document may be large. */
const signedTexts = new WeakMap<HeardDocument, readonly string[]>();
/** What was proven when this document was the newest. */
const proofs = new WeakMap<HeardDocument, Proof>();

interface Proof {
  readonly open: string | undefined;
  readonly known: string;
  readonly proven: ProvenSignatures;
}

/** Who made the signatures of what was last heard of a peer: a key that it names, or one by which it is known. Each is tried once. */
export async function provenSignatures(
  { kind }: Pick<PeerRef, 'kind'>,
  { publicDocument, privateDocument }: Pick<Hearing, 'publicDocument' | 'privateDocument'>,
  memory: PeerMemory | undefined,
): Promise<ProvenSignatures> {
  const keys = memory?.facts.keys ?? [];
  const known = keys.map(({ pem }) => pem).join('');
  const open = publicDocument === undefined ? [] : textsOf(publicDocument, decodePublicDocument);
  const decode = kind === 'IstioFederation' ? decodeFederationDocument : decodeMulticlusterDocument;
  const closed = privateDocument === undefined ? [] : textsOf(privateDocument, decode);
  const newest = privateDocument ?? publicDocument;
  if (newest === undefined) return new Map();
  const before = proofs.get(newest);
  if (before?.open === open[0] && before?.known === known) return before.proven;
  const proven = await proveSignatures([...open, ...closed], keys);
  proofs.set(newest, { open: open[0], known, proven });
  return proven;
}

type Decoded = { readonly ok: true; readonly value: { readonly signed?: string } } | { readonly ok: false };

function textsOf(document: HeardDocument, decode: (body: string) => Decoded): readonly string[] {
  const before = signedTexts.get(document);
  if (before !== undefined) return before;
  const decoded = decode(document.body);
  const texts = decoded.ok && decoded.value.signed !== undefined ? [decoded.value.signed] : [];
  signedTexts.set(document, texts);
  return texts;
}
