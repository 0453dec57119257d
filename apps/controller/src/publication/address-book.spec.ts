import { describe, expect, it } from '@jest/globals';
import type { GuardedAddress } from '#peer-client';
import { AddressBook, addressRule } from './address-book.js';

/** A resolver that answers when told to. */
function book() {
  let now = 1_000_000;
  let news = 0;
  const asked: string[] = [];
  const answers = new Map<string, (answer: GuardedAddress) => void>();
  const addresses = new AddressBook({
    rule: () => undefined,
    clock: { now: () => now },
    onNews: () => (news += 1),
    guard: (address) => {
      asked.push(address);
      if (address.startsWith('slow')) return new Promise((answer) => answers.set(address, answer));
      return Promise.resolve({ kind: 'allowed', addresses: ['203.0.113.9'] });
    },
  });
  const judge = async (...names: string[]): Promise<readonly string[]> => {
    const { allowed, findings } = await addresses.judge(names.map((address) => ({ address, port: 443 })));
    return [...allowed.map(({ address }) => address), ...findings.map(({ message }) => message)];
  };
  return { judge, asked, answers, later: (ms: number) => (now += ms), news: () => news };
}

const allowed: GuardedAddress = { kind: 'allowed', addresses: ['203.0.113.9'] };
const soFar = 'slow.example: cannot be resolved from this cluster so far: this gateway of the peer is not used';

describe('address book', () => {
  it('does not wait for a silent name server, and tells when it answers after all', async () => {
    const { judge, answers, later, news } = book();
    const started = Date.now();
    expect(await judge('slow.example', 'a.example')).toEqual(['a.example', soFar]);
    expect(Date.now() - started).toBeLessThan(2_000);
    expect(news()).toBe(0);
    later(600);
    answers.get('slow.example')?.(allowed);
    await new Promise(setImmediate);
    expect(news()).toBe(1);
    expect(await judge('slow.example')).toEqual(['slow.example']);
  });

  it('goes on with what it knows while a name is looked up again', async () => {
    const { judge, answers, later, asked } = book();
    const first = judge('slow.example');
    await new Promise(setImmediate);
    answers.get('slow.example')?.(allowed);
    expect(await first).toEqual(['slow.example']);
    later(29_000);
    expect(await judge('slow.example')).toEqual(['slow.example']);
    expect(asked).toHaveLength(1);
    later(2_000);
    expect(await judge('slow.example')).toEqual(['slow.example']);
    expect(await judge('slow.example')).toEqual(['slow.example']);
    expect(asked).toHaveLength(2);
    answers.get('slow.example')?.({ kind: 'refused', message: 'slow.example: loopback' });
    await new Promise(setImmediate);
    expect(await judge('slow.example')).toEqual(['slow.example: loopback: this gateway of the peer is not used']);
  });

  it('looks up no more than two names at once, and addresses past them', async () => {
    const { judge, asked, answers } = book();
    expect(await judge('slow1', 'slow2', 'slow3', '203.0.113.9')).toContain('203.0.113.9');
    expect(asked).toEqual(['slow1', 'slow2', '203.0.113.9']);
    answers.get('slow1')?.(allowed);
    await new Promise(setImmediate);
    expect(asked).toEqual(['slow1', 'slow2', '203.0.113.9', 'slow3']);
  });

  it.each(['https://10.96.0.1', 'https://10.96.0.1:6443', 'https://[fd00::1]:443'])('refuses %s, our own', (server) => {
    const { hostname } = new URL(server);
    expect(addressRule(server)(hostname.replace(/[[\]]/g, ''))).toContain('own API server');
    expect(addressRule(server)('10.96.0.2')).toBeUndefined();
  });
});
