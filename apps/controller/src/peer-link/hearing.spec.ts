import { describe, expect, it } from '@jest/globals';
import { failed } from '#peer-client';
import { heardFailure, heardNothingNew, heardPrivate, heardPublic, nothingHeard, withoutPrivate } from './hearing.js';

const down = failed('Unreachable', 'https://b: connection refused');

describe('what was heard', () => {
  const met = heardPublic(nothingHeard, { body: '{}', at: 10 });

  it('says when each document was last fetched or confirmed, and when the peer was last asked', () => {
    const confirmed = heardNothingNew(heardPrivate(met, { body: '{}', at: 20 }), 'public', 30);
    expect(confirmed).toMatchObject({ publicAt: 30, privateAt: 20, lastContact: 30, lastAttempt: 30 });
    expect(confirmed.publicDocument?.at).toBe(10);
    expect(heardFailure(confirmed, 'private', down, 40)).toMatchObject({ lastContact: 30, lastAttempt: 40 });
    expect(withoutPrivate(confirmed)).not.toHaveProperty('privateAt');
  });

  it('dates silence from the first attempt in vain since the last answer, whatever answered', () => {
    const silent = heardFailure(heardFailure(met, 'public', down, 20), 'public', down, 30);
    expect(silent.silentSince).toBe(20);
    expect(heardNothingNew(silent, 'private', 40).silentSince).toBeUndefined();
    expect(heardFailure(heardNothingNew(silent, 'public', 40), 'public', down, 50).silentSince).toBe(50);
  });

  it('does not call a peer silent that refuses our token', () => {
    expect(heardFailure(met, 'private', failed('TokenRejected', '401', 401), 20).silentSince).toBeUndefined();
  });
});
