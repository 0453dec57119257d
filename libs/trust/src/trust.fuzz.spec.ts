import { createPrivateKey } from 'node:crypto';
import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { anyValue, brokenValue, fuzzAsync, fuzzLimitMs, fuzzRuns } from '#testing';
import {
  buildCrl,
  decodeJws,
  decodePem,
  encodePem,
  generateSigningKey,
  parseCertificate,
  parseCrls,
  proveSignatures,
  readPublicDocument,
  readPublicSigningKey,
  signJws,
  usableLists,
  verifyToken,
} from './index.js';
import { signByHand } from './jws.fixture.js';
import { now, ownUUID, peerUUID, serial, SigningPeer, trusted } from './peer.fixture.js';

const peer = new SigningPeer();
const key = generateSigningKey();
const privateKey = createPrivateKey(key.privatePem);
const seconds = Math.floor(now / 1000);
const claims = {
  iss: 'd8-istio',
  sub: peerUUID,
  aud: ownUUID,
  scope: 'api',
  nbf: seconds,
  exp: seconds + 60,
  jti: 'x',
};
const token = signByHand(claims, key.privatePem, { kid: key.kid });
const registry = {
  version: 1 as const,
  peers: [
    {
      kind: 'IstioMulticluster' as const,
      name: 'b',
      clusterUUID: peerUUID,
      trustDomain: 'b',
      clusterDomain: 'b',
      roots: [],
      keys: [trusted(key)],
      signed: true,
      crls: [],
      scopes: ['api' as const],
      legacyAPITokens: false,
    },
  ],
};
const expected = { audience: ownUUID, scope: 'api' as const, now };

const place = fc.tuple(fc.nat(), fc.nat(), fc.nat(255));

/** The text with one character changed, cut, doubled or a piece of it repeated. */
function broken(text: string, [where, how, what]: readonly [number, number, number]): string {
  const at = where % text.length;
  const forms = [
    () => text.slice(0, at),
    () => text.slice(0, at) + String.fromCharCode(what) + text.slice(at + 1),
    () => text.slice(0, at) + text.slice(at + 1),
    () => text.slice(at) + text,
    () => text.slice(0, at) + 'A'.repeat(what) + text.slice(at),
  ];
  return (forms[how % forms.length] ?? forms[0])?.() ?? '';
}

function check(property: (at: readonly [number, number, number]) => void): void {
  fc.assert(fc.property(place, property), { numRuns: fuzzRuns });
}

function checkAsync(property: (at: readonly [number, number, number]) => Promise<void>): Promise<void> {
  return fc.assert(fc.asyncProperty(place, property), { numRuns: fuzzRuns });
}

/** Reads or throws an error of ours; anything else is a fault of the reader. */
function readsOrRefuses<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!/CERTIFICATE|csr|crl/.test((error as Error).message)) throw error;
    return undefined;
  }
}

/** A list of the peer's CA with three revoked certificates, valid now. */
function revocationList(): string {
  return buildCrl({
    issuer: parseCertificate(peer.ca['ca-cert.pem']),
    key: createPrivateKey(peer.ca['ca-key.pem']),
    number: 7,
    thisUpdate: now - 3_600_000,
    nextUpdate: now + 3_600_000,
    revoked: [serial(), serial(), serial()].map((number) => ({ serial: number, at: now - 3_600_000 })),
  });
}

const brokenDer = (pem: string, label: string, [where, how, what]: readonly [number, number, number]): string => {
  const der = Buffer.from(decodePem(pem)[0]?.der ?? []);
  const at = where % der.length;
  if (how % 4 === 0) return encodePem(label, der.subarray(0, at));
  der[at] = what;
  if (how % 4 === 1) der[(at * 7) % der.length] = how & 255;
  return encodePem(label, der);
};

/** The rules of protocol.md for a signed peer's token, said in another way. */
function mayBeTaken({ iss, sub, aud, scope, iat = seconds, nbf, exp, jti }: Record<string, unknown>): boolean {
  const meant = iss === claims.iss && sub === peerUUID && [aud].flat().includes(ownUUID) && scope === 'api';
  const timely = Number(nbf) <= seconds + 30 && Number(iat) <= seconds + 30 && Math.abs(Number(exp) - seconds) <= 330;
  return meant && timely && typeof jti === 'string' && jti.length <= 128 && jti.length > 0;
}

describe('readers of what peers send', () => {
  it(
    'tokens: a changed one is never taken',
    async () => {
      if (!(await verifyToken(token, registry, expected)).ok) throw new Error('the token itself must hold');
      await checkAsync(async (at) => {
        const raw = broken(token, at);
        if (raw !== token && (await verifyToken(raw, registry, expected)).ok) throw new Error(raw);
      });
    },
    fuzzLimitMs,
  );

  it(
    'claims that a peer did sign: taken only when each holds by itself, else refused with a short reason',
    async () => {
      let taken = 0;
      await fuzzAsync(async (dice) => {
        const said = brokenValue(dice, claims, ['iss', 'sub', 'aud', 'scope', 'iat', 'nbf', 'exp', 'jti', '__proto__']);
        const raw = signByHand(said as object, key.privatePem, { kid: key.kid });
        const verdict = await verifyToken(raw, registry, expected);
        if (!verdict.ok) {
          if (verdict.message.length > 200 || verdict.message.includes(raw)) throw new Error(verdict.message);
          return;
        }
        taken += 1;
        if (!mayBeTaken(said as Record<string, unknown>)) throw new Error(JSON.stringify(said));
      });
      if (taken === 0) throw new Error('nothing was taken: the inputs are too wild to show anything');
    },
    fuzzLimitMs,
  );

  it(
    'any text as JWS: a value, never an exception',
    () => {
      fc.assert(
        fc.property(fc.string({ maxLength: 200 }), (text) => {
          decodeJws(text, 1000);
          decodeJws(`${Buffer.from(text).toString('base64url')}.e30.${'A'.repeat(86)}`, 1000);
        }),
        { numRuns: fuzzRuns },
      );
    },
    fuzzLimitMs,
  );

  it(
    'payloads come back as they were signed',
    async () => {
      await fuzzAsync(async (dice) => {
        const payload = Object.fromEntries(
          dice.list(5, (index) => [`k${index}`, anyValue(dice, ['a', '__proto__'], 2)]),
        );
        const decoded = decodeJws(await signJws(payload, privateKey, {}), 100_000);
        if (typeof decoded === 'string') throw new Error(decoded);
        if (JSON.stringify(decoded.payload) !== JSON.stringify(payload)) throw new Error(JSON.stringify(payload));
      });
    },
    fuzzLimitMs,
  );

  it(
    'revocation lists: bytes changed anywhere; what is still used says the same',
    () => {
      const root = peer.ca['root-cert.pem'];
      const crl = revocationList();
      const [whole] = parseCrls([crl]);
      if (usableLists([crl], [root], now).crls.length !== 1) throw new Error('the list itself must hold');
      check((at) => {
        const changed = brokenDer(crl, 'X509 CRL', at);
        readsOrRefuses(() => parseCrls([changed]));
        const used = usableLists([changed], [root], now).crls;
        if (used.length > 0 && String(parseCrls(used)[0]?.revoked) !== String(whole?.revoked)) throw new Error(changed);
      });
    },
    fuzzLimitMs,
  );

  it(
    'public signing keys: bytes changed anywhere',
    () => {
      check((at) => {
        readPublicSigningKey(brokenDer(key.publicPem, 'PUBLIC KEY', at));
      });
    },
    fuzzLimitMs,
  );

  it(
    'PEM comes back as it was, whatever stands around it',
    () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, around) => {
          if (around.includes('-----')) return;
          const [block] = decodePem(`${around}\n${encodePem('X', bytes)}${around}`);
          if (block === undefined || !block.der.equals(bytes)) throw new Error('not the same');
        }),
        { numRuns: fuzzRuns },
      );
    },
    fuzzLimitMs,
  );

  it(
    'signed public documents: a changed one is refused, with a reason',
    async () => {
      const document = peer.document();
      const signed = document.signed ?? '';
      const input = { ownClusterUUID: ownUUID, trustDomain: 'b.example', verifiedByCa: false, now };
      await checkAsync(async (at) => {
        const changed = broken(signed, at);
        if (changed === signed) return;
        const proven = await proveSignatures([changed], [{ pem: peer.key.publicPem }]);
        const verdict = readPublicDocument({ ...input, proven, document: { ...document, signed: changed } });
        if (verdict.kind !== 'refused' || verdict.message === '') throw new Error(changed);
      });
    },
    fuzzLimitMs,
  );
});
