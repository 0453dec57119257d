import { describe, expect, it } from '@jest/globals';
import { HostResolver, type Answer } from './host-resolver.js';

interface Setting {
  /** Addresses of our own API server; may change. */
  readonly own: string[];
  readonly time: { at: number };
  readonly answers: Map<string, Answer | Error>;
  readonly asked: string[];
  readonly changes: { count: number };
  readonly failures: string[];
  readonly subject: HostResolver;
  later(milliseconds: number): Promise<void>;
}

function setting(): Setting {
  const time = { at: 0 };
  const answers = new Map<string, Answer | Error>();
  const asked: string[] = [];
  const failures: string[] = [];
  const changes = { count: 0 };
  const own: string[] = [];
  const subject = new HostResolver({
    ownAddresses: () => own,
    clock: { now: () => time.at },
    ask: (host) => {
      asked.push(host);
      const answer = answers.get(host) ?? new Error('NXDOMAIN');
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    onChange: () => (changes.count += 1),
    onFailure: (host) => failures.push(host),
  });
  const later = async (milliseconds: number): Promise<void> => {
    time.at += milliseconds;
    subject.refresh();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { own, time, answers, asked, changes, failures, subject, later };
}

const at = (...addresses: string[]): Answer => ({ addresses, ttlSeconds: 10 });

describe('host resolver', () => {
  it('resolves what is wanted, sorted and once each, and forgets what is not', async () => {
    const { subject, answers, later, changes } = setting();
    answers.set('gw', at('10.0.0.2', '10.0.0.1', '10.0.0.2'));
    subject.want(['gw']);
    expect(subject.resolved).toEqual(new Map());
    await later(0);
    expect(subject.resolved).toEqual(new Map([['gw', ['10.0.0.1', '10.0.0.2']]]));
    expect(changes.count).toBe(1);
    subject.want([]);
    expect(subject.resolved).toEqual(new Map());
  });

  it('asks again when the time to live is up, at most every five seconds; equal answers change nothing', async () => {
    const { subject, answers, asked, later, changes } = setting();
    answers.set('gw', { addresses: ['10.0.0.1'], ttlSeconds: 1 });
    subject.want(['gw']);
    await later(0);
    const first = subject.resolved;
    await later(4_999);
    expect(asked).toHaveLength(1);
    await later(1);
    expect(asked).toHaveLength(2);
    expect(subject.resolved).toBe(first);
    answers.set('gw', at('10.0.0.9'));
    await later(5_000);
    expect(subject.resolved.get('gw')).toEqual(['10.0.0.9']);
    expect(changes.count).toBe(2);
  });

  it('keeps the last answer while DNS is away and tries again after two seconds', async () => {
    const { subject, answers, asked, later, failures } = setting();
    answers.set('gw', at('10.0.0.1'));
    subject.want(['gw']);
    await later(0);
    answers.set('gw', new Error('SERVFAIL'));
    await later(10_000);
    expect(failures).toEqual(['gw']);
    expect(subject.resolved.get('gw')).toEqual(['10.0.0.1']);
    await later(1_999);
    expect(asked).toHaveLength(2);
    await later(1);
    expect(asked).toHaveLength(3);
  });

  it('judges what is an address already at once, asking nobody, and again: our API server may come to be there', async () => {
    const { own, asked, subject, later, changes } = setting();
    subject.want(['192.0.2.1', '127.0.0.1', '169.254.169.254', '::1', '::ffff:127.0.0.1']);
    const refused = ['127.0.0.1', '169.254.169.254', '::1', '::ffff:127.0.0.1'];
    expect(subject.resolved.get('192.0.2.1')).toEqual(['192.0.2.1']);
    expect(refused.map((each) => subject.resolved.get(each))).toEqual([[], [], [], []]);
    own.push('192.0.2.1');
    await later(60_000);
    expect(subject.resolved.get('192.0.2.1')).toEqual([]);
    expect([asked, changes.count]).toEqual([[], 1]);
  });

  it('leaves out addresses that no peer may name, whatever the name led to before', async () => {
    const { answers, subject, later, failures } = setting();
    answers.set('gw.b', at('192.0.2.1'));
    subject.want(['gw.b']);
    await later(0);
    answers.set('gw.b', at('127.0.0.1', '169.254.169.254', '192.0.2.2'));
    await later(10_000);
    expect(subject.resolved.get('gw.b')).toEqual(['192.0.2.2']);
    expect(failures).toEqual(['gw.b']);
  });
});
