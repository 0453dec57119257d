import { compareText } from '#model';
import { parseCertificate } from './certificate.js';

export interface SpiffeBundleFacts {
  /** PEM each, RSA or EC. */
  readonly roots: readonly string[];
  readonly sequence: number;
  readonly refreshHintSeconds: number;
}

/** SPIFFE trust bundle as JWKS (SPIFFE Trust Domain and Bundle, section 4): one `x509-svid` key per root. Deterministic text. */
export function encodeSpiffeBundle(facts: SpiffeBundleFacts): string {
  const keys = [...facts.roots]
    .map(parseCertificate)
    .sort((a, b) => compareText(a.fingerprint, b.fingerprint))
    .map((root) => ({
      use: 'x509-svid',
      ...root.publicKey.export({ format: 'jwk' }),
      x5c: [root.der.toString('base64')],
    }));
  return JSON.stringify({ keys, spiffe_sequence: facts.sequence, spiffe_refresh_hint: facts.refreshHintSeconds });
}
