import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { ProvenSignatures } from './index.js';
import { readOnce } from './read-once.js';

/** JWS by hand (RFC 7515, RFC 8037), for specs: at once, of any payload, and a second implementation beside the one that is tested. */
export function signByHand(payload: object, privatePem: string, header: object = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'EdDSA', ...header })}.${part(payload)}`;
  return `${input}.${sign(null, Buffer.from(input), privateKeyOf(privatePem)).toString('base64url')}`;
}

const privateKeyOf = readOnce(64, (pem) => createPrivateKey(pem));

/** Which of these keys (PEM) made the signatures of these texts. */
export function provenByHand(texts: readonly string[], pems: readonly string[]): ProvenSignatures {
  return new Map(texts.flatMap((text) => pems.filter((pem) => madeBy(text, pem)).map((pem) => [text, pem] as const)));
}

function madeBy(text: string, pem: string): boolean {
  const [head = '', body = '', tail = ''] = text.split('.');
  try {
    const key = createPublicKey(pem.replaceAll('ED25519 PUBLIC KEY', 'PUBLIC KEY'));
    return verify(null, Buffer.from(`${head}.${body}`), key, Buffer.from(tail, 'base64url'));
  } catch {
    return false;
  }
}

/** The same of documents as they are served: with the keys that their texts name, and these. */
export function provenInDocuments(bodies: readonly string[], pems: readonly string[]): ProvenSignatures {
  const texts = bodies.flatMap((body) => membersOf(body).signed ?? []);
  const named = texts.flatMap((text) => {
    const { keys = [] } = membersOf(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString());
    return keys.map(({ pem }) => pem);
  });
  return provenByHand(texts, [...named, ...pems]);
}

interface Members {
  readonly signed?: string;
  readonly keys?: readonly { readonly pem: string }[];
}

function membersOf(text: string): Members {
  try {
    return JSON.parse(text) as Members;
  } catch {
    return {};
  }
}
