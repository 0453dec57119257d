import { describe, expect, it } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { generateSigningKey } from '#trust';
import type { SigningState } from './identity-keeper.js';
import { emptyKeyRing } from './key-ring.js';
import type { StoredSigningKey } from './key-ring.js';
import { peerToken } from './peer-token.js';

const now = 1_763_700_000_000;
const [current, before] = [generateSigningKey(), generateSigningKey()];
const keys = [
  { ...before, state: 'retired', retiredAt: now - 1 },
  { ...current, state: 'current' },
] as unknown as readonly StoredSigningKey[];

function stateOf(clusterUUID: string, held: readonly StoredSigningKey[]): SigningState {
  return { identity: { clusterUUID }, ring: { ...emptyKeyRing, keys: held } } as unknown as SigningState;
}

const order = { scope: 'private-federation', audience: 'peer', now } as const;

describe('a token for a peer', () => {
  it.each([
    ['current', current.kid],
    ['previous', before.kid],
  ] as const)('is signed by the %s key, for a minute and that peer', async (by, kid) => {
    const token = (await peerToken(stateOf('own', keys), { ...order, by })) ?? '';
    expect(decodeProtectedHeader(token).kid).toBe(kid);
    const exp = now / 1000 + 60;
    expect(decodeJwt(token)).toMatchObject({ sub: 'own', aud: 'peer', scope: 'private-federation', exp });
  });

  it.each([
    ['no such key', stateOf('own', []), 'current'],
    ['no key before this one', stateOf('own', keys.slice(1)), 'previous'],
    ['no name for this cluster yet', stateOf('', keys), 'current'],
  ] as const)('is not there where there is %s', async (_what, state, by) => {
    expect(await peerToken(state, { ...order, by })).toBeUndefined();
  });
});
