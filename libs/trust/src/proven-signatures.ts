import type { TrustedKey } from '#model';
import { decodeJws, jwsSignatureHolds } from './jws.js';
import { publicPayload } from './read-signed.js';
import { longestSignedBytes } from './signed-payload.js';

/** Who made the signatures of some texts (compact JWS): the public key, PEM, by text. What is not in it is not proven. */
export type ProvenSignatures = ReadonlyMap<string, string>;

/**
 * Tries these signatures with these keys, and with those that the texts name themselves: what a signature is worth by its key is for the readers
 * of documents to judge, which are pure.
 */
export async function proveSignatures(
  texts: readonly string[],
  keys: readonly Pick<TrustedKey, 'pem'>[],
): Promise<ProvenSignatures> {
  const candidates = new Set([...keys, ...texts.flatMap(keysNamedIn)].map(({ pem }) => pem));
  const makers = await Promise.all(texts.map(async (text) => [text, await makerOf(text, candidates)] as const));
  return new Map(makers.flatMap(([text, pem]) => (pem === undefined ? [] : [[text, pem] as const])));
}

async function makerOf(text: string, candidates: ReadonlySet<string>): Promise<string | undefined> {
  const jws = decodeJws(text, longestSignedBytes);
  if (typeof jws === 'string') return undefined;
  for (const pem of candidates) if (await jwsSignatureHolds(jws, pem)) return pem;
  return undefined;
}

function keysNamedIn(text: string): readonly TrustedKey[] {
  const jws = decodeJws(text, longestSignedBytes);
  const payload = typeof jws === 'string' ? jws : publicPayload(jws.payload);
  return typeof payload === 'string' ? [] : payload.keys;
}
