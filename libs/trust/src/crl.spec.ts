import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import {
  buildCrl,
  buildCsr,
  generateCa,
  issueWorkloadCertificate,
  listsUsableAt,
  loadCa,
  parseCertificate,
  parseCrls,
  readLists,
  usableLists,
} from './index.js';
import type { CaFiles } from './index.js';
import { childrenOf, fromDer, integer, octets, sequence, tagged, time, toDer } from './der.js';
import type { Node } from './der.js';
import { decodePem, encodePem } from './pem.js';
import { serial } from './peer.fixture.js';

const now = Math.floor(Date.now() / 1000) * 1000;
const hour = 3_600_000;
const ca = (algorithm: 'ec' | 'rsa'): CaFiles =>
  generateCa({ trustDomain: 'b.example', now, algorithm, serial: serial() });
const [first, second] = [ca('ec'), ca('rsa')];

function list(
  of: CaFiles,
  more: { revoked?: readonly Uint8Array[]; thisUpdate?: number; nextUpdate?: number; by?: CaFiles } = {},
): string {
  return buildCrl({
    issuer: parseCertificate(of['ca-cert.pem']),
    key: createPrivateKey((more.by ?? of)['ca-key.pem']),
    number: 7,
    thisUpdate: more.thisUpdate ?? now - hour,
    nextUpdate: more.nextUpdate ?? now + hour,
    revoked: (more.revoked ?? []).map((number) => ({ serial: number, at: now - hour })),
  });
}

/** The list of `first` with other fields from its times on: what some tools make, OpenSSL takes and Envoy refuses. */
function mangled(change: (head: readonly Node[]) => readonly Node[]): string {
  const [body, algorithm, signature] = childrenOf(fromDer(decodePem(list(first))[0]?.der ?? Buffer.alloc(0)));
  const fields = change(childrenOf(body).slice(0, 5));
  return encodePem('X509 CRL', toDer(sequence(sequence(...fields), algorithm as Node, signature as Node)));
}

const entry = (...more: readonly Node[]): Node => sequence(integer(1), time(now), ...more);

describe('revocation lists', () => {
  const folder = mkdtempSync(join(tmpdir(), 'crl-'));

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it.each<['ec' | 'rsa']>([['ec'], ['rsa']])('OpenSSL reads ours (%s) and refuses what it revokes', (algorithm) => {
    const files = ca(algorithm);
    const revoked = serial();
    const leaf = (number: Uint8Array): string =>
      issueWorkloadCertificate(loadCa(files, now), {
        csrPem: buildCsr(createPrivateKey(files['ca-key.pem'])),
        spiffeIds: ['spiffe://b.example/ns/a/sa/b'],
        ttlSeconds: 3600,
        now,
        serial: number,
      }).chain[0] ?? '';
    const verify = (name: string, pem: string): string => {
      writeFileSync(join(folder, name), pem);
      writeFileSync(join(folder, 'root'), files['root-cert.pem']);
      writeFileSync(join(folder, 'crl'), list(files, { revoked: [revoked] }));
      const args = [
        'verify',
        '-crl_check',
        '-CAfile',
        join(folder, 'root'),
        '-CRLfile',
        join(folder, 'crl'),
        join(folder, name),
      ];
      try {
        return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
      } catch (error) {
        return String((error as { stderr: string }).stderr);
      }
    };
    expect(verify('good', leaf(serial()))).toContain('OK');
    expect(verify('bad', leaf(revoked))).toContain('revoked');
  });

  it('reads what it builds', () => {
    const number = serial();
    const [read] = parseCrls([list(first, { revoked: [number] })]);
    expect(read).toMatchObject({
      thisUpdate: now - hour,
      nextUpdate: now + hour,
      revoked: [Buffer.from(number).toString('hex')],
    });
    expect(read?.signedBy(parseCertificate(first['ca-cert.pem']).publicKey)).toBe(true);
    expect(read?.signedBy(parseCertificate(second['ca-cert.pem']).publicKey)).toBe(false);
  });

  const roots = [first['root-cert.pem'], second['root-cert.pem']];
  const good = [list(first), list(second)];
  it.each<[string, readonly string[], number]>([
    ['none published', [], 0],
    ['empty text', [''], 0],
    ['complete', good, 2],
    ['complete, in one text', [good.join('')], 2],
    ['one is missing', [list(first)], 0],
    ['one has ended', [list(first), list(second, { nextUpdate: now - 1 })], 0],
    ['one ends in half a minute', [list(first), list(second, { nextUpdate: now + 30_000 })], 0],
    ['one ends a second later', [list(first, { nextUpdate: now + 31_000 }), list(second)], 2],
    ['one is yet to come', [list(first), list(second, { thisUpdate: now + hour, nextUpdate: now + 2 * hour })], 0],
    ['one signed by another CA', [list(first), list(second, { by: first })], 0],
    ['of two of one CA the newer counts', [...good, list(first, { thisUpdate: now - 1000 })], 2],
    ['garbage', ['-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'], 0],
    ['a certificate', [first['root-cert.pem']], 0],
  ])('%s', (_name, pems, used) => {
    const { crls, fault, until } = usableLists(pems, roots, now);
    expect(crls).toHaveLength(used);
    expect(fault !== undefined).toBe(used === 0 && pems.join('') !== '');
    if (used > 0) expect([now + hour, now + 31_000]).toContain(until);
  });

  it('tell when time changes what is used: where a list begins, and half a minute before one ends', () => {
    const [begin, end] = [now + hour, now + 2 * hour];
    const read = readLists(
      [list(first, { thisUpdate: begin, nextUpdate: end }), list(second, { nextUpdate: 2 * end })],
      roots,
    );
    const at = (time: number): readonly unknown[] => {
      const { crls, changesAt } = listsUsableAt(read, time);
      return [crls.length, changesAt];
    };
    expect([now, begin, end - 30_001].map(at)).toEqual([
      [0, begin],
      [2, end - 30_000],
      [2, end - 30_000],
    ]);
    expect(at(end - 30_000)).toEqual([0, 2 * end - 30_000]);
    expect(at(2 * end)).toEqual([0, undefined]);
  });

  it.each<[string, (head: readonly Node[]) => readonly Node[], RegExp]>([
    ['an empty list of entries', (head) => [...head, sequence()], /entries is there, but empty/],
    ['an entry with empty extensions', (head) => [...head, sequence(entry(sequence()))], /extensions that are empty/],
    ['empty extensions of the list', (head) => [...head, tagged(0, [sequence()])], /extensions that are empty/],
    [
      'extensions in version 1',
      ([, ...head]) => [...head, sequence(entry(sequence(octets(Buffer.of(1)))))],
      /version 1/,
    ],
    ['an entry without a time', (head) => [...head, sequence(sequence(integer(1)))], /lacks its serial or its time/],
    ['another algorithm inside', ([version, , ...head]) => [version as Node, sequence(), ...head], /two algorithms/],
    ['a field too many', (head) => [...head, sequence(entry()), sequence(entry())], /fields that no list has/],
  ])('is not read with %s', (_what, change, why) => {
    expect(() => parseCrls([mangled(change)])).toThrow(why);
  });
});
