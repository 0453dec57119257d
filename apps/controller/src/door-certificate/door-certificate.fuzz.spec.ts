import { describe, it } from '@jest/globals';
import type { Secret } from '#istio-api';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import { doorCertificateIn } from './door-certificate-keeper.js';
import { doorReport, nextDoorChangeMs } from './door-certificate.js';

const rotation = { request: fuzzSecret, announcedAt: 1, switchedAt: 2 };
const texts = {
  'tls.crt': 'cert',
  'tls.key': fuzzSecret,
  'next.crt': 'next',
  'next.key': fuzzSecret,
  'previous.crt': 'p',
};
const times = { announceMs: 5, honourMs: 5 };

describe('the door’s certificate in its Secret', () => {
  it(
    'any Secret: a certificate whose next change has a time, none, or an error that names Secret, key and remedy and shows nothing of it',
    () =>
      fuzzBothWays((dice) => {
        const said =
          dice.next(2) === 0 ? brokenValue(dice, rotation, [...Object.keys(rotation), '__proto__']) : rotation;
        const all = { ...texts, 'rotation.json': brokenText(dice, JSON.stringify(said)) };
        const kept = Object.entries(all).filter(() => dice.next(12) > 0);
        const data = Object.fromEntries(kept.map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
        const secret: Secret = { metadata: { name: 'door' }, data };
        const read = readOr(
          () => doorCertificateIn(secret),
          ({ message }) => /^Secret door, key rotation\.json: .{1,100}; remove the key/.test(message),
        );
        if (read === undefined) return false;
        const wait = nextDoorChangeMs(read, { now: 10, times });
        if (wait !== undefined && !(Number.isFinite(wait) && wait >= 0)) throw new Error(`${wait} ms`);
        if (typeof (doorReport(read).request ?? '') !== 'string') throw new Error(JSON.stringify(said));
        if (read.current.cert === '' || read.current.key === '' || read.next?.cert === '')
          throw new Error(JSON.stringify(read));
        return true;
      }),
    fuzzLimitMs,
  );
});
