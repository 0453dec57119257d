import { describe, expect, it } from '@jest/globals';
import { TokenReviews, type AskAuthority } from './token-reviews.js';

const identity = { namespace: 'demo', serviceAccount: 'client' };
const jwt = (exp: number): string => `h.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.s`;

function reviews(ask: AskAuthority): { time: { at: number }; asked: string[]; subject: TokenReviews } {
  const time = { at: 1_000_000 };
  const asked: string[] = [];
  const subject = new TokenReviews(
    (token) => {
      asked.push(token);
      return ask(token);
    },
    { now: () => time.at },
  );
  return { time, asked, subject };
}

describe('token reviews', () => {
  it('asks once for a thousand streams with one token', async () => {
    const { asked, subject } = reviews(() => Promise.resolve({ kind: 'authenticated', identity }));
    const all = await Promise.all(Array.from({ length: 1000 }, () => subject.review('t')));
    expect(new Set(all.map((review) => review.kind))).toEqual(new Set(['authenticated']));
    expect(asked).toEqual(['t']);
  });

  it('asks again after a minute, and when the token has ended', async () => {
    const { asked, subject, time } = reviews(() => Promise.resolve({ kind: 'authenticated', identity }));
    const token = jwt(1030);
    await subject.review(token);
    time.at += 29_000;
    await subject.review(token);
    expect(asked).toHaveLength(1);
    time.at += 2_000;
    await subject.review(token);
    expect(asked).toHaveLength(2);
  });

  it('remembers a refusal for five seconds only', async () => {
    const { asked, subject, time } = reviews(() => Promise.resolve({ kind: 'refused', reason: 'no' }));
    expect(await subject.review('bad')).toEqual({ kind: 'refused', reason: 'no' });
    time.at += 4_000;
    await subject.review('bad');
    time.at += 2_000;
    await subject.review('bad');
    expect(asked).toHaveLength(2);
  });

  it('keeps to what it knew while the authority is away, ten minutes at most; knows nothing of new tokens', async () => {
    let away = false;
    const { subject, time } = reviews(() =>
      away ? Promise.reject(new Error('connection refused')) : Promise.resolve({ kind: 'authenticated', identity }),
    );
    await subject.review('t');
    away = true;
    time.at += 5 * 60_000;
    expect(await subject.review('t')).toEqual({ kind: 'authenticated', identity });
    expect(await subject.review('new')).toEqual({ kind: 'unavailable', reason: 'connection refused' });
    time.at += 6 * 60_000;
    expect((await subject.review('t')).kind).toBe('unavailable');
  });
});
