import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Scope, TrustedPeer, TrustRegistry } from '#model';
import { generateSigningKey, issueToken, verifyToken } from './index.js';
import type { TokenExpectation } from './index.js';
import { signByHand } from './jws.fixture.js';
import { now, ownUUID, peerUUID, trusted } from './peer.fixture.js';

const key = generateSigningKey();
const nextKey = generateSigningKey();
const stranger = generateSigningKey();
const otherPeerKey = generateSigningKey();
const at = Math.floor(now / 1000);

const peer: TrustedPeer = {
  kind: 'IstioFederation',
  name: 'b',
  clusterUUID: peerUUID,
  trustDomain: 'b.example',
  clusterDomain: 'b.example',
  roots: [],
  keys: [trusted(key), trusted(nextKey, 'next')],
  signed: true,
  crls: [],
  scopes: ['private-federation'],
  legacyAPITokens: false,
};
const legacy: TrustedPeer = { ...peer, signed: false, keys: [trusted(key)] };
const multicluster: TrustedPeer = { ...peer, kind: 'IstioMulticluster', scopes: ['private-multicluster', 'api'] };
const other: TrustedPeer = { ...peer, name: 'c', clusterUUID: 'cccc', keys: [trusted(otherPeerKey)] };
const registry = (...peers: readonly TrustedPeer[]): TrustRegistry => ({ version: 1, peers });

const claims = {
  iss: 'd8-istio',
  sub: peerUUID,
  aud: ownUUID,
  scope: 'private-federation',
  iat: at,
  nbf: at,
  exp: at + 60,
  jti: 'one',
};
const without = (...names: readonly string[]): object =>
  Object.fromEntries(Object.entries(claims).filter(([name]) => !names.includes(name)));
const sign = (payload: object, signer = key): string =>
  signByHand(payload, signer.privatePem, { kid: signer.kid, typ: 'JWT' });
const signWithoutKid = (payload: object, signer = key): string => signByHand(payload, signer.privatePem, {});
const expected: TokenExpectation = { audience: ownUUID, scope: 'private-federation', now };
const part = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

async function outcome(
  raw: string,
  peers: TrustRegistry = registry(other, peer),
  more: Partial<TokenExpectation> = {},
): Promise<string> {
  const verdict = await verifyToken(raw, peers, { ...expected, ...more });
  return verdict.ok ? `ok ${verdict.peer.name}` : `${verdict.status} ${verdict.reason}`;
}

describe('our own token', () => {
  const issued = issueToken({
    privatePem: key.privatePem,
    kid: key.kid,
    subject: peerUUID,
    audience: ownUUID,
    scope: 'private-federation',
    now,
    jti: 'j1',
  });

  it('is taken, with its jti and end', async () => {
    expect(await verifyToken(await issued, registry(peer), expected)).toEqual({
      ok: true,
      peer,
      claims: { sub: peerUUID, scope: 'private-federation', exp: at + 60, jti: 'j1' },
    });
  });

  it('lives a minute', async () => {
    expect(await outcome(await issued, registry(peer), { now: now + 89_000 })).toBe('ok b');
    expect(await outcome(await issued, registry(peer), { now: now + 91_000 })).toBe('401 claims');
  });
});

describe('signature and identity', () => {
  it.each<[string, string, TrustRegistry, string]>([
    ['current key', sign(claims), registry(other, peer), 'ok b'],
    ['key announced as next', sign(claims, nextKey), registry(peer), 'ok b'],
    ['no kid', signWithoutKid(claims), registry(peer), 'ok b'],
    [
      'legacy peer with a kid of its own making',
      signByHand(claims, key.privatePem, { kid: 'x' }),
      registry(legacy),
      'ok b',
    ],
    ['unknown key', sign(claims, stranger), registry(peer), '401 unknown-key'],
    [
      'unknown key under a known kid',
      signByHand(claims, stranger.privatePem, { kid: key.kid }),
      registry(peer),
      '401 unknown-key',
    ],
    ['key of another peer, our peer in sub', sign(claims, otherPeerKey), registry(other, peer), '401 unknown-key'],
    ['nobody is trusted', sign(claims), registry(), '403 untrusted-peer'],
    ['sub is not trusted', sign({ ...claims, sub: 'dddd' }), registry(peer), '403 untrusted-peer'],
    ['sub is missing', sign(without('sub')), registry(peer), '400 malformed'],
    ['sub is a list', sign({ ...claims, sub: [peerUUID] }), registry(peer), '400 malformed'],
    [
      'key in the registry unreadable',
      sign(claims),
      registry({ ...peer, keys: [{ ...trusted(key), pem: 'x' }] }),
      '401 unknown-key',
    ],
    [
      'one cluster under both kinds: the resource that grants the scope',
      sign(claims),
      registry(multicluster, peer),
      'ok b',
    ],
  ])('%s', async (_name, raw, peers, result) => {
    expect(await outcome(raw, peers)).toBe(result);
  });
});

describe('form', () => {
  const [head = '', body = '', signature = ''] = sign(claims).split('.');
  const hmac = (): string => {
    const input = `${part({ alg: 'HS256' })}.${body}`;
    return `${input}.${createHmac('sha256', key.publicPem).update(input).digest('base64url')}`;
  };
  const last = signature.slice(-1);
  const twin = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const surplus = signature.slice(0, -1) + (twin[twin.indexOf(last) ^ 1] ?? '');

  it.each<[string, string]>([
    ['empty', ''],
    ['a word', 'x'],
    ['two parts', `${head}.${body}`],
    ['four parts', `${head}.${body}.${signature}.x`],
    ['empty signature', `${head}.${body}.`],
    ['short signature', `${head}.${body}.${signature.slice(0, 80)}`],
    ['signature with surplus bits', `${head}.${body}.${surplus}`],
    ['padding', `${head}.${body}.${signature}==`],
    ['plain base64', `${head}+.${body}.${signature}`],
    ['white space', `${head}. ${body}.${signature}`],
    ['header no JSON', `${part('x')}.${body}.${signature}`],
    ['header a list', `${part('[]')}.${body}.${signature}`],
    ['payload a text', `${head}.${part('"x"')}.${signature}`],
    ['payload null', `${head}.${part('null')}.${signature}`],
    ['alg none', `${part({ alg: 'none' })}.${body}.${signature}`],
    ['alg none, no signature', `${part({ alg: 'none' })}.${body}.`],
    ['alg HS256 with the public key as secret', hmac()],
    ['alg in lower case', `${part({ alg: 'eddsa' })}.${body}.${signature}`],
    ['no alg', `${part({})}.${body}.${signature}`],
    ['crit', `${part({ alg: 'EdDSA', crit: ['x'] })}.${body}.${signature}`],
    ['b64', `${part({ alg: 'EdDSA', b64: false })}.${body}.${signature}`],
    ['kid a number', `${part({ alg: 'EdDSA', kid: 5 })}.${body}.${signature}`],
    ['kid too long', `${part({ alg: 'EdDSA', kid: 'k'.repeat(129) })}.${body}.${signature}`],
    ['too large', sign({ ...claims, more: 'x'.repeat(8192) })],
  ])('400: %s', async (_name, raw) => {
    expect(await outcome(raw)).toBe('400 malformed');
  });

  it('never shows the token', async () => {
    const raw = sign(claims, stranger);
    expect(JSON.stringify(await verifyToken(raw, registry(peer), expected))).not.toContain(raw.slice(-20));
  });
});

describe('claims', () => {
  it.each<[string, object, string]>([
    ['aud a list that holds us', { ...claims, aud: ['x', ownUUID] }, 'ok b'],
    ['aud a list that does not', { ...claims, aud: ['x'] }, '401 claims'],
    ['aud an empty list', { ...claims, aud: [] }, '401 claims'],
    ['aud another cluster', { ...claims, aud: 'cccc' }, '401 claims'],
    ['no aud', without('aud'), '401 claims'],
    ['another iss', { ...claims, iss: 'evil' }, '401 claims'],
    ['no iss', without('iss'), '401 claims'],
    ['exp a moment ago', { ...claims, exp: at - 29 }, 'ok b'],
    ['exp past the skew', { ...claims, exp: at - 31 }, '401 claims'],
    ['exp at the limit', { ...claims, exp: at + 300 }, 'ok b'],
    ['exp past limit and skew', { ...claims, exp: at + 331 }, '401 claims'],
    ['exp in a year', { ...claims, exp: at + 365 * 86_400 }, '401 claims'],
    ['exp a text', { ...claims, exp: String(at + 60) }, '401 claims'],
    ['exp null', { ...claims, exp: null }, '401 claims'],
    ['no exp', without('exp'), '401 claims'],
    ['nbf within the skew', { ...claims, nbf: at + 30 }, 'ok b'],
    ['nbf ahead', { ...claims, nbf: at + 31 }, '401 claims'],
    ['nbf a text', { ...claims, nbf: 'now' }, '401 claims'],
    ['no nbf', without('nbf'), '401 claims'],
    ['no iat', without('iat'), 'ok b'],
    ['iat ahead', { ...claims, iat: at + 31 }, '401 claims'],
    ['iat a text', { ...claims, iat: 'x' }, '401 claims'],
    ['no jti from a peer that signs', without('jti'), '401 claims'],
    ['jti a number', { ...claims, jti: 5 }, '401 claims'],
    ['jti empty', { ...claims, jti: '' }, '401 claims'],
    ['jti too long', { ...claims, jti: 'x'.repeat(129) }, '401 claims'],
    ['jti with a character that no store takes', { ...claims, jti: 'q\u0000z' }, '401 claims'],
    ['another scope', { ...claims, scope: 'api' }, '403 scope'],
    ['several scopes', { ...claims, scope: 'private-federation api' }, '403 scope'],
    ['scope a list', { ...claims, scope: ['private-federation'] }, '403 scope'],
    ['no scope', without('scope'), '403 scope'],
    ['scope unknown', { ...claims, scope: 'everything' }, '403 scope'],
    ['claims nobody knows', { ...claims, admin: true }, 'ok b'],
  ])('%s', async (_name, payload, result) => {
    expect(await outcome(sign(payload))).toBe(result);
  });

  it('a legacy peer may leave out jti, and gets none back', async () => {
    const verdict = await verifyToken(sign(without('jti', 'iat')), registry(legacy), expected);
    expect(verdict).toMatchObject({ ok: true });
    expect(verdict.ok && 'jti' in verdict.claims).toBe(false);
  });
});

describe('scope follows the kind', () => {
  const withScope = (scope: Scope, more: object = {}): string => sign({ ...claims, scope, ...more });
  it.each<[string, TrustedPeer, Scope, object, string]>([
    ['federation peer, its document', peer, 'private-federation', {}, 'ok b'],
    ['federation peer, multicluster document', peer, 'private-multicluster', {}, '403 kind'],
    ['federation peer, API', peer, 'api', {}, '403 kind'],
    ['multicluster peer, its document', multicluster, 'private-multicluster', {}, 'ok b'],
    ['multicluster peer, API', multicluster, 'api', {}, 'ok b'],
    ['multicluster peer, federation document', multicluster, 'private-federation', {}, '403 kind'],
    ['year-long API token', multicluster, 'api', { exp: at + 365 * 86_400 }, '401 claims'],
    [
      'year-long API token where allowed',
      { ...multicluster, legacyAPITokens: true },
      'api',
      { exp: at + 365 * 86_400, jti: undefined },
      'ok b',
    ],
    [
      'longer than 400 days',
      { ...multicluster, legacyAPITokens: true },
      'api',
      { exp: at + 401 * 86_400 },
      '401 claims',
    ],
    [
      'long-lived document token',
      { ...multicluster, legacyAPITokens: true },
      'private-multicluster',
      { exp: at + 86_400 },
      '401 claims',
    ],
    [
      'document token without jti',
      { ...multicluster, legacyAPITokens: true },
      'private-multicluster',
      { jti: undefined },
      '401 claims',
    ],
  ])('%s', async (_name, who, scope, more, result) => {
    expect(await outcome(withScope(scope, more), registry(who), { scope })).toBe(result);
  });
});
