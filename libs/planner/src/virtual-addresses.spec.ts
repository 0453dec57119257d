import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { allocateVirtualAddresses } from './virtual-addresses.js';

const hosts = (count: number): string[] => Array.from({ length: count }, (_, i) => `s${i}.demo.svc.b.example`);

describe('allocateVirtualAddresses', () => {
  it('gives every host one address of its own inside 240.240.0.0/16', () => {
    const allocated = allocateVirtualAddresses([], hosts(5000));
    const addresses = allocated.map(({ address }) => address);
    expect(new Set(addresses).size).toBe(5000);
    for (const address of addresses) expect(address).toMatch(/^240\.240\.\d+\.\d+$/);
    expect(addresses).not.toContain('240.240.0.0');
    expect(addresses).not.toContain('240.240.255.255');
  });

  it('keeps what stands, whoever comes and goes', () => {
    const first = allocateVirtualAddresses([], hosts(300));
    const more = allocateVirtualAddresses(first, hosts(600));
    expect(more).toEqual(expect.arrayContaining([...first]));
    const fewer = allocateVirtualAddresses(more, hosts(100));
    expect(fewer).toEqual(more.filter(({ hostname }) => hosts(100).includes(hostname)));
  });

  it.each([
    ['outside the range', '10.0.0.1'],
    ['no address', 'nonsense'],
    ['beyond an octet', '240.240.300.1'],
    ['the first', '240.240.0.0'],
    ['reserved', '240.240.7.7'],
  ])('replaces an existing address that is %s', (_name, address) => {
    const [result] = allocateVirtualAddresses([{ hostname: 'a', address }], ['a'], ['240.240.7.7']);
    expect(result?.address).not.toBe(address);
  });

  it('ends a quarrel of two hosts over one address the same way always', () => {
    const address = '240.240.1.1';
    const existing = [
      { hostname: 'b', address },
      { hostname: 'a', address },
    ];
    const result = allocateVirtualAddresses(existing, ['a', 'b']);
    expect(result[0]).toEqual({ hostname: 'a', address });
    expect(result[1]?.address).not.toBe(address);
  });

  it('fills the range to the last address, and says when it is full', () => {
    const full = allocateVirtualAddresses([], hosts(65_534));
    expect(new Set(full.map(({ address }) => address)).size).toBe(65_534);
    expect(() => allocateVirtualAddresses([], hosts(65_535))).toThrow('spec.imports.hosts');
  });

  it('depends on no order (property)', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.domain(), { maxLength: 40 }), (names) => {
        const existing = allocateVirtualAddresses([], names.slice(0, 5));
        const shuffled = allocateVirtualAddresses([...existing].reverse(), [...names].reverse());
        expect(JSON.stringify(shuffled)).toBe(JSON.stringify(allocateVirtualAddresses(existing, names)));
      }),
    );
  });
});
