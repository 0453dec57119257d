import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { WayOutRegistry } from '#model';
import type { RequestHead } from '../api-proxy/request-head.js';
import { decideOutbound } from './decide-request.js';
import { failureOf } from './outcome.js';
import { tokenKeysFrom } from './signing-keys.js';

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const peerOf = (name: string): WayOutRegistry['peers'][number] => ({
  name,
  apiHost: `${name}.example:6443`,
  audience: name,
  insecureSkipVerify: false,
  readers: [{ reader: 'mesh', sha256: hash(`credential-${name}`) }],
});
const registry: WayOutRegistry = { version: 1, peers: [peerOf('west'), peerOf('north')], ownAddresses: [] };

function head(target: string, more: Partial<RequestHead> = {}, credential = 'credential-west'): RequestHead {
  return {
    httpVersion: '1.1',
    method: 'GET',
    target,
    headers: [
      ['host', 'isthmus-way-out'],
      ['authorization', `Bearer ${credential}`],
    ],
    ...more,
  };
}

describe('decideOutbound', () => {
  it('lets a reader list, get and watch at its peer', () => {
    const decided = decideOutbound(head('/peers/west/api/v1/pods?watch=true'), registry);
    expect(decided).toMatchObject({ ok: true, peer: { name: 'west' }, asked: { verb: 'watch', path: '/api/v1/pods' } });
  });

  const refused: readonly [string, RequestHead, number][] = [
    ['no peer', head('/api/v1/pods'), 404],
    ['the credential of another peer', head('/peers/north/api/v1/pods'), 401],
    ['no credential', head('/peers/west/api/v1/pods', { headers: [['host', 'x']] }), 401],
    ['a peer that is not there, told like a wrong credential', head('/peers/south/api/v1/pods'), 401],
    ['dots', head('/peers/west/../north/api/v1/pods'), 400],
    ['encoded dots', head('/peers/west/%2e%2e/north/api/v1/pods'), 400],
    ['an encoded slash in the name', head('/peers/west%2fapi/v1/pods'), 404],
    ['a double slash', head('/peers/west//api/v1/pods'), 400],
    ['absolute form', head('http://north.example/peers/west/api/v1/pods'), 404],
    ['a write', head('/peers/west/api/v1/pods', { method: 'DELETE' }), 403],
    ['exec', head('/peers/west/api/v1/namespaces/a/pods/b/exec'), 403],
    [
      'two credentials',
      head('/peers/west/api/v1/pods', { headers: [...head('').headers, ['authorization', 'x']] }),
      400,
    ],
    [
      'somebody else’s name',
      head('/peers/west/api/v1/pods', { headers: [...head('').headers, ['impersonate-user', 'x']] }),
      403,
    ],
  ];
  it.each(refused)('refuses %s', (_name, request, status) => {
    expect(decideOutbound(request, registry)).toMatchObject({ ok: false, status });
  });

  it('tells who has no credential nothing but that', () => {
    expect(decideOutbound(head('/peers/west/api/v1/secrets/x', {}, 'wrong'), registry)).toMatchObject({ status: 401 });
  });
});

describe('failureOf', () => {
  const error = (code: string, name = 'Error'): Error => Object.assign(new Error(code), { code, name });
  const html = { 'content-type': 'text/html; charset=utf-8' };
  const json = { 'content-type': 'application/json' };
  it.each([
    ['refused', error('ECONNREFUSED'), 503, 'Unreachable'],
    ['silent', error('UND_ERR_HEADERS_TIMEOUT', 'HeadersTimeoutError'), 504, 'Unreachable'],
    ['another certificate', error('DEPTH_ZERO_SELF_SIGNED_CERT'), 502, 'TLSVerifyFailed'],
    ['another name', error('ERR_TLS_CERT_ALTNAME_INVALID'), 502, 'TLSVerifyFailed'],
    ['a forbidden address', error('', 'AddressRefusedError'), 502, 'AddressRefused'],
    ['our token', { status: 401, headers: json }, 502, 'TokenRejected'],
    ['HTML', { status: 200, headers: html }, 502, 'DocumentInvalid'],
    ['a redirect', { status: 302, headers: json }, 502, 'DocumentInvalid'],
  ] as const)('%s', (_name, what, status, reason) => {
    expect(failureOf('west.example', what)).toMatchObject({ status, reason });
  });
  it.each([
    [200, 'application/json'],
    [200, 'application/vnd.kubernetes.protobuf;stream=watch'],
    [403, 'application/json'],
    [404, 'text/plain; charset=utf-8'],
  ])('passes on %d %s', (status, type) => {
    expect(failureOf('west.example', { status, headers: { 'content-type': type } })).toBeUndefined();
  });
});

describe('tokenKeysFrom', () => {
  it('takes the current key and the last one before it', () => {
    const key = (kid: string, state: string, retiredAt?: number): object => ({
      kid,
      privatePem: 'pem',
      state,
      retiredAt,
    });
    const keys = [key('a', 'retired', 1), key('b', 'retired', 2), key('c', 'current'), key('d', 'next')];
    const found = tokenKeysFrom(JSON.stringify({ version: 1, keys }));
    expect([found.current?.kid, found.previous?.kid]).toEqual(['c', 'b']);
  });
  it('never shows what it could not read', () => {
    expect(() => tokenKeysFrom('{"keys":[{"privatePem":"secret"')).toThrow(/^Secret isthmus-signing-keys(?!.*secret")/);
  });
});
