// Test vectors of docs/protocol.md: made from published keys (RFC 8032, section 7.1, tests 1 and 2), so that anybody can make them again.
// `GOLDEN_UPDATE=1` writes them; certificates.json is made once and kept, since EC signatures differ each time.
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Scope, TrustRegistry } from '#model';
import {
  encodePem,
  encodeSpiffeBundle,
  generateCa,
  issueToken,
  keyIdentifier,
  parseCertificate,
  privatePayloadFor,
  proveSignatures,
  publicPayloadFor,
  readPrivateDocument,
  readPublicDocument,
  readPublicSigningKey,
  signDocument,
  signJws,
  spkiOf,
  verifyToken,
} from './index.js';
import type { SigningKeyPair } from './index.js';
import { crossCertificate, keyChainFor, now, serial } from './peer.fixture.js';

const folder = join(process.cwd(), 'docs', 'protocol-vectors');
const updating = process.env['GOLDEN_UPDATE'] === '1';

function stored<T>(name: string): T {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;
}

function vector<T>(name: string, made: T): T {
  if (updating) writeFileSync(join(folder, name), `${JSON.stringify(made, null, 2)}\n`);
  return stored<T>(name);
}

function keyFrom(seedHex: string): SigningKeyPair {
  const der = Buffer.from(`302e020100300506032b657004220420${seedHex}`, 'hex');
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(privateKey);
  return {
    kid: keyIdentifier(publicKey),
    privatePem: encodePem('PRIVATE KEY', der),
    publicPem: encodePem('ED25519 PUBLIC KEY', spkiOf(publicKey)),
  };
}

const seeds = [
  '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
  '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
] as const;
const [key, next] = [keyFrom(seeds[0]), keyFrom(seeds[1])];
const caller = '6a1e5c0e-8f0b-4c39-9d6a-0f6d2f1f7b01';
const callee = 'c2f7a7de-52c4-4f0e-b5b1-7a3f6f0f9c02';
const at = Math.floor(now / 1000);

interface Certificates {
  readonly root: string;
  readonly keyChain: readonly string[];
  readonly newRoot: string;
  readonly crossCertificate: string;
}

function makeCertificates(): Certificates {
  const ca = (): ReturnType<typeof generateCa> =>
    generateCa({ trustDomain: 'a.example', now, algorithm: 'ec', serial: serial() });
  const [old, fresh] = [ca(), ca()];
  return {
    root: old['root-cert.pem'],
    keyChain: keyChainFor(key, old, 'a.example'),
    newRoot: fresh['root-cert.pem'],
    crossCertificate: crossCertificate(old, fresh),
  };
}

if (updating && !existsSync(join(folder, 'certificates.json'))) vector('certificates.json', makeCertificates());
const certificates = stored<Certificates>('certificates.json');

describe('keys', () => {
  it('thumbprints and PEM', () => {
    const made = [key, next].map(({ kid, publicPem }, index) => ({ seedHex: seeds[index], kid, publicPem }));
    const kept = vector('keys.json', made);
    expect(kept).toEqual(made);
    for (const { kid, publicPem } of kept) expect(readPublicSigningKey(publicPem)?.kid).toBe(kid);
  });
});

const scope: Scope = 'private-federation';
const order = {
  privatePem: key.privatePem,
  kid: key.kid,
  subject: caller,
  audience: callee,
  scope,
  now,
  jti: 'vector-1',
};
const legacyClaims = { iss: 'd8-istio', aud: [callee], sub: caller, scope, nbf: at, exp: at + 60 };
const legacy = await signJws(legacyClaims, createPrivateKey(key.privatePem), {});
const ours = {
  plain: await issueToken(order),
  elsewhere: await issueToken({ ...order, audience: caller }),
  otherScope: await issueToken({ ...order, scope: 'api' }),
  old: await issueToken({ ...order, now: now - 91_000 }),
  nobody: await issueToken({ ...order, subject: callee }),
  otherKey: await issueToken({ ...order, privatePem: next.privatePem, kid: next.kid }),
};

describe('tokens', () => {
  const made = {
    now,
    audience: callee,
    scope,
    cases: [
      { name: 'ours', token: ours.plain, signedPeer: true, status: 200 },
      { name: 'legacy, without jti', token: legacy, signedPeer: false, status: 200 },
      { name: 'without jti from a peer that signs', token: legacy, signedPeer: true, status: 401 },
      { name: 'for another cluster', token: ours.elsewhere, signedPeer: true, status: 401 },
      { name: 'another scope', token: ours.otherScope, signedPeer: true, status: 403 },
      { name: 'a minute and a half old', token: ours.old, signedPeer: true, status: 401 },
      { name: 'sub not trusted', token: ours.nobody, signedPeer: true, status: 403 },
      { name: 'unknown key', token: ours.otherKey, signedPeer: true, status: 401 },
      { name: 'signature missing', token: legacy.replace(/[^.]+$/, ''), signedPeer: false, status: 400 },
    ],
  };
  const kept = vector('tokens.json', made);

  it('are made as they stand', () => expect(kept).toEqual(made));

  it.each(kept.cases)('$name: $status', async ({ token, signedPeer, status }) => {
    const registry: TrustRegistry = {
      version: 1,
      peers: [
        {
          kind: 'IstioFederation',
          name: 'a',
          clusterUUID: caller,
          trustDomain: 'a.example',
          clusterDomain: 'a.example',
          roots: [],
          keys: [{ kid: key.kid, pem: key.publicPem, state: 'current' }],
          signed: signedPeer,
          crls: [],
          scopes: [scope],
          legacyAPITokens: false,
        },
      ],
    };
    const verdict = await verifyToken(token, registry, { audience: kept.audience, scope, now: kept.now });
    expect(verdict.ok ? 200 : verdict.status).toBe(status);
  });
});

const identity = {
  clusterUUID: caller,
  clusterID: 'a-example-1',
  trustDomain: 'a.example',
  clusterDomain: 'a.example',
  networkName: 'net-a',
};
const keys = [
  { kid: key.kid, pem: key.publicPem, state: 'current' as const },
  { kid: next.kid, pem: next.publicPem, state: 'next' as const },
];
const facts = { identity, roots: [certificates.root], keys, keyChain: certificates.keyChain, tlsCA: '', crls: [] };
const freshness = { seq: now, now, lifetimeSeconds: 3600 };
const federation = {
  ingressGateways: [{ address: '203.0.113.10', port: 15443 }],
  publicServices: [
    {
      hostname: 'echo.demo.svc.a.example',
      ports: [{ name: 'http', port: 80, protocol: 'HTTP' }],
      subjectAltNames: ['spiffe://a.example/ns/demo/sa/echo'],
    },
  ],
};
const multicluster = {
  ingressGateways: federation.ingressGateways,
  apiHost: 'api.a.example:6443',
  networkName: 'net-a',
};
const parties = { clusterUUID: caller, audience: callee };
const signed = {
  public: await signDocument('public', publicPayloadFor(facts, freshness), key),
  publicWithNewRoot: await signDocument(
    'public',
    publicPayloadFor(
      {
        ...facts,
        roots: [certificates.root, certificates.newRoot],
        crossCertificates: [certificates.crossCertificate],
      },
      { ...freshness, seq: now + 1 },
    ),
    key,
  ),
  federation: await signDocument('private', privatePayloadFor(federation, parties, freshness), key),
  multicluster: await signDocument('private', privatePayloadFor(multicluster, parties, freshness), key),
};
const proven = await proveSignatures(Object.values(signed), []);

describe('signed documents', () => {
  const made = { now, reader: callee, ...signed };
  const kept = vector('signed.json', made);
  const plain = { clusterUUID: caller, authnKeyPub: key.publicPem, rootCA: certificates.root };
  const read = (signed: string, known?: object): ReturnType<typeof readPublicDocument> =>
    readPublicDocument({
      document: { ...plain, signed },
      proven,
      ownClusterUUID: callee,
      verifiedByCa: false,
      now: kept.now,
      ...known,
    });

  it('are made as they stand', () => expect(kept).toEqual(made));

  it('are accepted, and so is a new root that the old CA vouches for', () => {
    const first = read(kept.public);
    if (first.kind !== 'accepted') throw new Error(first.message);
    expect(first.facts).toMatchObject({
      clusterUUID: caller,
      trustDomain: 'a.example',
      roots: [certificates.root],
      seq: now,
    });
    expect(read(kept.publicWithNewRoot, { known: first.facts })).toMatchObject({ kind: 'accepted' });
    for (const [signed, content] of [
      [kept.federation, federation],
      [kept.multicluster, multicluster],
    ] as const) {
      const verdict = readPrivateDocument({
        signed,
        proven,
        facts: first.facts,
        ownClusterUUID: callee,
        lastSeq: 0,
        now: kept.now,
      });
      expect(verdict).toMatchObject({ kind: 'signed', content });
    }
  });

  it('SPIFFE bundle of the root', () => {
    const made = JSON.parse(
      encodeSpiffeBundle({ roots: [certificates.root], sequence: now, refreshHintSeconds: 300 }),
    ) as object;
    expect(vector('spiffe-bundle.json', made)).toEqual(made);
    expect(parseCertificate(certificates.root).uris).toEqual(['spiffe://a.example']);
  });
});
