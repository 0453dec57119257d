import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { TrustedPeer, TrustRegistry } from '#model';
import { buildCrl, generateCa, parseCertificate } from '#trust';
import { ListsInForce } from './lists-in-force.js';

const start = Date.UTC(2026, 0, 1);
const minute = 60_000;
const margin = 30_000;
const ca = generateCa({ trustDomain: 'east.example', now: start, algorithm: 'ec', serial: Buffer.of(1) });

function listUntil(nextUpdate: number): readonly string[] {
  const [issuer, key] = [parseCertificate(ca['ca-cert.pem']), createPrivateKey(ca['ca-key.pem'])];
  return [buildCrl({ issuer, key, number: 1, thisUpdate: start, nextUpdate, revoked: [] })];
}

function peer(name: string, crls: readonly string[]): TrustedPeer {
  return {
    ...{ kind: 'IstioFederation', name, clusterUUID: name, trustDomain: name, clusterDomain: name, roots: [name] },
    ...{ keys: [], signed: true, crls, scopes: [], legacyAPITokens: false },
  };
}

const registry = (...peers: readonly TrustedPeer[]): TrustRegistry => ({ version: 1, peers });

function setUp(): {
  subject: ListsInForce;
  /** Lets time pass; answers how often another model was asked for meanwhile. */
  pass(milliseconds: number): number;
  warnings: unknown[];
} {
  let now = start;
  let planned: { at: number; work: () => void } | undefined;
  let calls = 0;
  const warnings: unknown[] = [];
  const subject = new ListsInForce({
    clock: { now: () => now },
    logger: { warn: (fields) => void warnings.push(fields) },
    onChange: () => (calls += 1),
    later: (work, milliseconds) => {
      planned = { at: now + milliseconds, work };
      return () => (planned = undefined);
    },
  });
  const pass = (milliseconds: number): number => {
    calls = 0;
    now += milliseconds;
    const due = planned;
    if (due !== undefined && due.at <= now) {
      planned = undefined;
      due.work();
    }
    return calls;
  };
  return { subject, pass, warnings };
}

describe('ListsInForce', () => {
  it('asks for another model when our own lists change, and not again', () => {
    const { subject, pass } = setUp();
    subject.look(registry(), start + minute);
    expect(pass(minute - 1)).toBe(0);
    subject.look(registry(), start + minute);
    expect(pass(1000)).toBe(1);
    subject.look(registry());
    expect(pass(100 * minute)).toBe(0);
  });

  it('leaves a peer’s list out half a minute before it ends, the others’ stay; what is left is the same object', () => {
    const { subject, pass, warnings } = setUp();
    const [soon, late] = [listUntil(start + 5 * minute), listUntil(start + 9 * minute)];
    const peers = registry(peer('north', soon), peer('south', late), peer('west', []));
    expect(subject.look(peers)).toBe(peers);
    expect(pass(5 * minute - margin - 1)).toBe(0);
    expect(subject.look(peers, start + 60 * minute)).toBe(peers);
    expect(pass(1000)).toBe(1);
    const left = subject.look(peers);
    expect(left.peers.map(({ crls }) => crls)).toEqual([[], late, []]);
    expect(subject.look(peers)).toBe(left);
    expect(warnings).toEqual([{ peers: ['federation/north'] }]);
    expect(pass(4 * minute)).toBe(1);
    expect(subject.look(peers).peers.map(({ crls }) => crls)).toEqual([[], [], []]);
  });

  it('asks for nothing where there are no lists, and waits no longer than a timer can', () => {
    const { subject, pass } = setUp();
    subject.look(registry(peer('north', [])));
    expect(pass(2 ** 40)).toBe(0);
    const other = setUp();
    other.subject.look(registry(peer('north', listUntil(start + 2 ** 33))));
    expect(other.pass(2 ** 31)).toBe(1);
  });

  it.each([
    ['no list at all', 'no list'],
    ['a list that is none', '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'],
  ])('does not take %s', (_what, text) => {
    expect(setUp().subject.look(registry(peer('north', [text]))).peers[0]?.crls).toEqual([]);
  });
});
