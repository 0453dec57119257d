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
  const judge = (...names: string[]): readonly string[] => {
    const { allowed, findings } = addresses.judge(names.map((address) => ({ address, port: 443 })));
    return [...allowed.map(({ address }) => address), ...findings.map(({ message }) => message)];
  };
  return { judge, asked, answers, later: (ms: number) => (now += ms), news: () => news };
}

const allowed: GuardedAddress = { kind: 'allowed', addresses: ['203.0.113.9'] };
const soon = (): Promise<void> => new Promise((done) => setTimeout(done, 5));

describe('address book', () => {
  it('waits for no name server, and tells when one answered', async () => {
    const { judge, answers, news } = book();
    expect(judge('slow.example', 'a.example', '203.0.113.1')).toEqual(['203.0.113.1']);
    await soon();
    expect(news()).toBe(1);
    expect(judge('slow.example', 'a.example')).toEqual(['a.example']);
    answers.get('slow.example')?.(allowed);
    await soon();
    expect(news()).toBe(2);
    expect(judge('slow.example')).toEqual(['slow.example']);
  });

  it('goes on with what it knows while a name is looked up again, and when it cannot be any more', async () => {
    const { judge, answers, later, asked } = book();
    const answer = async (given: GuardedAddress): Promise<void> => {
      judge('slow.example');
      answers.get('slow.example')?.(given);
      await soon();
      later(31_000);
    };
    await answer(allowed);
    expect(judge('slow.example')).toEqual(['slow.example']);
    await answer({ kind: 'unresolved', message: 'slow.example: SERVFAIL' });
    expect(judge('slow.example')).toEqual(['slow.example']);
    await answer({ kind: 'refused', message: 'slow.example: loopback' });
    expect(judge('slow.example')).toEqual([
      'slow.example: loopback: it is not used; the peer must name one that leads to it from here',
    ]);
    expect(asked).toHaveLength(4);
  });

  it('looks up no more than two names at once, and addresses past them', async () => {
    const { judge, asked, answers } = book();
    expect(judge('slow1', 'slow2', 'slow3', '203.0.113.9')).toEqual(['203.0.113.9']);
    await soon();
    expect(asked).toEqual(['slow1', 'slow2']);
    answers.get('slow1')?.(allowed);
    await soon();
    expect(asked).toEqual(['slow1', 'slow2', 'slow3']);
  });

  it.each(['https://10.96.0.1', 'https://10.96.0.1:6443', 'https://[fd00::1]:443'])('refuses %s, our own', (server) => {
    const { hostname } = new URL(server);
    expect(addressRule(server)(hostname.replace(/[[\]]/g, ''))).toContain('own API server');
    expect(addressRule(server)('10.96.0.2')).toBeUndefined();
    expect(addressRule(server, () => ['10.96.0.2'])('10.96.0.2')).toContain('own API server');
  });
});
