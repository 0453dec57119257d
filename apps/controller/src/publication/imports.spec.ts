import { describe, expect, it } from '@jest/globals';
import { inTurns } from './imports.js';

describe('inTurns', () => {
  it('gives every peer its share: one offer is not behind thousands of another peer', () => {
    const object = (kind: string, name: string): object => ({ apiVersion: 'v1', kind, metadata: { name } });
    const many = Array.from({ length: 1000 }, (_unused, index) => object('ServiceEntry', `m${index}`));
    const few = [object('ServiceEntry', 'f'), object('DestinationRule', 'f')];
    const peers = new Map([...many.map((_unused, index) => [`m${index}`, 'many'] as const), ['f', 'few'] as const]);
    const order = inTurns([...many, ...few] as Parameters<typeof inTurns>[0], peers);
    expect(order).toHaveLength(1002);
    expect(few.map((each) => order.indexOf(each as (typeof order)[number]))).toEqual([1, 3]);
  });
});
