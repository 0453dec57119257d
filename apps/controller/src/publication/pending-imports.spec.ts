import { describe, expect, it } from '@jest/globals';
import { PendingImports } from './pending-imports.js';

const peers = ['federation/west', 'federation/north'];
const ofWest = (count: number): ReadonlyMap<string, number> => new Map([['federation/west', count]]);

describe('imports that do not stand yet', () => {
  it('are counted from the moment that a pass wants them, until a batch leaves none', () => {
    const pending = new PendingImports();
    pending.wanted(ofWest(300), false);
    expect([pending.of('federation/west'), pending.of('federation/north')]).toEqual([300, 0]);
    pending.tried(ofWest(200), peers);
    expect(pending.of('federation/west')).toBe(200);
    pending.tried(new Map(), peers);
    expect(pending.of('federation/west')).toBe(0);
  });

  it('of a new peer are counted also where one batch brings them', () => {
    const pending = new PendingImports();
    pending.wanted(ofWest(1), true);
    expect(pending.of('federation/west')).toBe(1);
  });

  it('of a peer that was whole are not, as long as one batch brings them', () => {
    const pending = new PendingImports();
    pending.tried(new Map(), peers);
    pending.wanted(ofWest(1), true);
    expect(pending.of('federation/west')).toBe(0);
    pending.wanted(ofWest(300), false);
    expect(pending.of('federation/west')).toBe(300);
    pending.tried(ofWest(100), peers);
    pending.wanted(ofWest(100), true);
    expect(pending.of('federation/west')).toBe(100);
  });
});
