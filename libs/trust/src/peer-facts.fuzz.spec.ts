import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, readOr } from '#testing';
import { parsePeerMemory } from './peer-facts.js';
import type { PeerMemory } from './peer-facts.js';

const document = { seq: 1, fetchedAt: 1, changedAt: 1, digest: 'sha256:a' };
const memory: PeerMemory = {
  version: 1,
  facts: {
    clusterUUID: 'uuid',
    trustDomain: 'b.example',
    clusterDomain: 'b.example',
    roots: ['pem'],
    keys: [{ kid: 'k', pem: 'pem', state: 'current' }],
    crls: [],
    signed: true,
    seq: 1,
  },
  firstContact: 'Blind',
  firstContactAt: 1,
  publicDocument: document,
  privateDocument: { ...document, body: '{}' },
};
const keys = ['version', 'facts', 'roots', 'keys', 'publicDocument', 'privateDocument', 'body', '__proto__'];

describe('what is remembered of a peer', () => {
  it(
    'any text is a memory that comes back as it was, or refused by one sentence',
    () =>
      fuzzBothWays((dice) => {
        const text = brokenText(dice, JSON.stringify(dice.next(2) === 0 ? brokenValue(dice, memory, keys) : memory));
        const read = readOr(
          () => parsePeerMemory(text),
          (error) => error.message === 'not a peer memory of version 1',
        );
        if (read === undefined) return false;
        const { facts, publicDocument, privateDocument } = read;
        const texts = [facts.clusterUUID, ...facts.roots, ...facts.keys.map(({ pem }) => pem), publicDocument.digest];
        [...texts, privateDocument?.body ?? ''].forEach((each) => each.trim());
        if (JSON.stringify(parsePeerMemory(JSON.stringify(read))) !== JSON.stringify(read)) throw new Error(text);
        return true;
      }),
    fuzzLimitMs,
  );
});
