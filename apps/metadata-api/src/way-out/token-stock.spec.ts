import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { generateSigningKey } from '#trust';
import { TokenStock } from './token-stock.js';
import type { TokenWish } from './token-stock.js';

const start = 1_763_700_000_000;
const seconds = start / 1000;

describe('tokens for a peer', () => {
  let now: number;
  let stock: TokenStock;
  const current = generateSigningKey();
  const wish: TokenWish = { key: current, subject: 'own', audience: 'peer' };
  const taken = async (wanted = wish): Promise<ReturnType<typeof decodeJwt>> => decodeJwt(await stock.take(wanted));

  beforeEach(async () => {
    now = start;
    stock = new TokenStock(() => now);
    await taken();
    await turn();
  });

  it('are signed ahead, for a minute from then', async () => {
    now += 4_000;
    expect(await taken()).toMatchObject({ sub: 'own', aud: 'peer', scope: 'api', iat: seconds, exp: seconds + 60 });
  });

  it('are each given out once, also to many at a time', async () => {
    const many = await Promise.all(Array.from({ length: 20 }, () => taken()));
    await turn();
    const ids = [...many, await taken(), await taken()].map(({ jti }) => jti);
    expect(new Set(ids).size).toBe(22);
  });

  it('are signed once for each that is given out, and one ahead', async () => {
    const sign = jest.spyOn(crypto.subtle, 'sign');
    await Promise.all(Array.from({ length: 20 }, () => taken()));
    await turn();
    // One was there already.
    expect(sign).toHaveBeenCalledTimes(20);
    sign.mockRestore();
  });

  it.each([
    ['one that lay for five seconds', 5_000],
    ['one of a clock that was set back', -1],
  ])('are signed anew instead of %s', async (_what, ms) => {
    now += ms;
    expect((await taken()).iat).toBe(Math.floor(now / 1000));
  });

  it('are by the key that is in use now', async () => {
    const next = generateSigningKey();
    expect(decodeProtectedHeader(await stock.take({ ...wish, key: next })).kid).toBe(next.kid);
    await turn();
    expect(decodeProtectedHeader(await stock.take(wish)).kid).toBe(current.kid);
  });

  it.each([
    ['sub', { subject: 'another' }, 'another'],
    ['aud', { audience: 'another' }, 'another'],
  ])('name who is asked for now: %s', async (claim, changed, expected) => {
    expect((await taken({ ...wish, ...changed }))[claim]).toBe(expected);
  });

  it('are refused to whoever asks with a key that is none, and to nobody else', async () => {
    await expect(stock.take({ ...wish, key: { kid: 'x', privatePem: 'x' } })).rejects.toThrow();
    await turn();
    expect(await taken()).toMatchObject({ sub: 'own' });
  });
});
