import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { buildCertificate, parseCertificate, splitCertificates } from '#trust';
import { advanceDoorCertificate, doorAuthorities, doorReport, nextDoorChangeMs } from './door-certificate.js';
import type { DoorCertificate, DoorCertificateFacts } from './door-certificate.js';
import { freshCertificate } from './fresh-certificate.js';

const now = Date.UTC(2026, 10, 21);
const day = 24 * 3600 * 1000;
const times = { announceMs: 1_000, honourMs: 5_000 };
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const made = buildCertificate(
  {
    subject: { commonName: 'door' },
    publicKey,
    serial: Buffer.from([1]),
    notBefore: now,
    notAfter: now + 400 * day,
    isCA: false,
    keyUsage: ['digitalSignature'],
    dnsNames: ['door.example', 'isthmus-metadata-api.isthmus-system.svc'],
    ips: ['192.0.2.7', '2001:db8::7'],
  },
  { key: privateKey },
);
const begin: DoorCertificate = { current: { cert: made.pem, key: 'key' }, rotation: {} };
const facts = (at: number, request?: string): DoorCertificateFacts => ({
  now: at,
  times,
  fresh: (old) => freshCertificate(old, at),
  ...(request === undefined ? {} : { request }),
});
const told = (state: DoorCertificate): readonly string[] => splitCertificates(doorAuthorities(state));

describe('the door’s self-signed certificate', () => {
  const announced = advanceDoorCertificate(begin, facts(now, 'one'));
  const served = advanceDoorCertificate(announced, facts(now + 1_000, 'one'));
  const alone = advanceDoorCertificate(served, facts(now + 6_000, 'one'));

  it('stays while nobody asks and its end is far', () => {
    expect(advanceDoorCertificate(begin, facts(now))).toBe(begin);
    expect(nextDoorChangeMs(begin, facts(now))).toBeUndefined();
  });

  it('is told to peers before it is served', () => {
    expect(announced.current).toBe(begin.current);
    expect(told(announced)).toEqual([made.pem, announced.next?.cert]);
    expect(advanceDoorCertificate(announced, facts(now + 999, 'one'))).toBe(announced);
    expect(doorReport(announced).phase).toBe('announced');
    expect(nextDoorChangeMs(announced, facts(now))).toBe(1_000);
  });

  it('is what a request gets that comes while it is announced', () => {
    const joined = advanceDoorCertificate(announced, facts(now + 500, 'two'));
    expect(joined).toEqual({ ...announced, rotation: { ...announced.rotation, request: 'two' } });
    const after = [1_000, 6_000].reduce((state, ms) => advanceDoorCertificate(state, facts(now + ms, 'two')), joined);
    expect(advanceDoorCertificate(after, facts(now + 7_000, 'two'))).toBe(after);
  });

  it('is then served, the one before still told', () => {
    expect(served.current).toEqual(announced.next);
    expect(told(served)).toEqual([announced.next?.cert, made.pem]);
    expect(advanceDoorCertificate(served, facts(now + 5_999, 'one'))).toBe(served);
  });

  it('is alone at last, and the request is not met twice', () => {
    expect(told(alone)).toEqual([announced.next?.cert]);
    expect(advanceDoorCertificate(alone, facts(now + 7_000, 'one'))).toBe(alone);
    expect(advanceDoorCertificate(alone, facts(now + 7_000, 'two')).next).toBeDefined();
  });

  it('is for the same names and addresses, and its key is another', () => {
    const fresh = parseCertificate(announced.next?.cert ?? '');
    expect(fresh.dnsNames).toEqual(made.dnsNames);
    expect(fresh.x509.checkIP('192.0.2.7')).toBe('192.0.2.7');
    expect(fresh.x509.checkIP('2001:db8::7')).toBeDefined();
    expect(fresh.publicKey.equals(made.publicKey)).toBe(false);
  });

  it('is replaced unasked when its end is in sight', () => {
    expect(advanceDoorCertificate(begin, facts(now + 341 * day)).next).toBeDefined();
  });
});
