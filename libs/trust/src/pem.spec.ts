import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { decodePem } from './pem.js';
import { longestSignedBytes } from './signed-payload.js';

describe('PEM', () => {
  it.each([
    ['spaces', ' '],
    ['base64', 'A'],
    ['beginnings', '-----BEGIN X-----'],
  ])('a text of %s without an end, as long as a document may be, is gone through once', (_what, piece) => {
    const text = '-----BEGIN X-----'.concat(piece.repeat(longestSignedBytes / piece.length));
    // The limit only ends what would run for weeks: once through is done in a moment.
    expect(runInNewContext('read()', { read: () => decodePem(text).length }, { timeout: 60_000 })).toBe(0);
  });
});
