import { describe, expect, it } from '@jest/globals';
import { HandScheduler, settle } from '#testing';
import { done, stalled, waiting } from './result.js';
import { WorkQueue } from './work-queue.js';
import type { Outcome } from './reconciler.js';
import type { Result } from './result.js';

const finished = (next: Result): Outcome => ({ kind: 'finished', next });
const failed: Outcome = { kind: 'failed', phase: 'apply', error: new Error('no') };

function queueOf(work: (key: string) => Promise<Outcome>, concurrency = 2, apart?: ReadonlySet<string>) {
  const scheduler = new HandScheduler();
  const seen: string[] = [];
  const abort = new AbortController();
  const queue = new WorkQueue({
    scheduler,
    concurrency,
    ...(apart === undefined ? {} : { apart }),
    backoff: { firstMs: 100, mostMs: 1000, jitter: 0 },
    work: (key) => {
      seen.push(key);
      return work(key);
    },
  });
  queue.start(abort.signal);
  return { scheduler, seen, abort, queue };
}

describe('WorkQueue', () => {
  it('works on a key once however often it is added before its turn', async () => {
    const gates: (() => void)[] = [];
    const { queue, seen } = queueOf(() => new Promise((free) => gates.push(() => free(finished(done())))), 1);
    ['a', 'b', 'b', 'b'].forEach((key) => queue.add(key));
    expect([queue.depth, queue.active]).toEqual([1, 1]);
    gates.shift()?.();
    await settle();
    gates.shift()?.();
    await queue.settled();
    expect(seen).toEqual(['a', 'b']);
  });

  it('runs a key again, never in parallel, when it is added while being worked on', async () => {
    const gates: (() => void)[] = [];
    const { queue, seen } = queueOf(() => new Promise((free) => gates.push(() => free(finished(done())))));
    queue.add('a');
    queue.add('a');
    expect([seen, queue.active]).toEqual([['a'], 1]);
    gates.shift()?.();
    await settle();
    expect(seen).toEqual(['a', 'a']);
  });

  it('gives keys that others wait for a place of their own', async () => {
    let pass = (): void => undefined;
    const passed = new Promise<void>((free) => (pass = free));
    const work = async (key: string): Promise<Outcome> => {
      if (key === 'pass') pass();
      else await passed;
      return finished(done());
    };
    const { queue, seen } = queueOf(work, 2, new Set(['pass']));
    ['a', 'b', 'c', 'pass'].forEach((key) => queue.add(key));
    await queue.settled();
    expect(seen).toEqual(['a', 'b', 'pass', 'c']);
  });

  it('backs off per key, and forgets failures after success', async () => {
    const endings: Record<string, Outcome[]> = { bad: [failed, failed, failed, finished(done()), failed] };
    const { queue, seen, scheduler } = queueOf(async (key) => endings[key]?.shift() ?? finished(done()));
    queue.add('bad');
    queue.add('fine');
    await settle();
    expect(scheduler.pending).toEqual([100]);
    await scheduler.advance(100);
    expect(scheduler.pending).toEqual([200]);
    await scheduler.advance(200 + 400);
    expect(seen).toEqual(['bad', 'fine', 'bad', 'bad', 'bad']);
    queue.add('bad');
    await settle();
    expect(scheduler.pending).toEqual([100]);
  });

  it.each<[string, Outcome, number[]]>([
    ['done', finished(done()), []],
    ['done with a time', finished(done(50)), [50]],
    ['waiting', finished(waiting('Unreachable', 'no answer', 70)), [70]],
    ['stalled', finished(stalled('SpecInvalid', 'edit it')), []],
    ['gone', { kind: 'gone' }, []],
  ])('after %s looks again in %j', async (_name, outcome, pending) => {
    const { queue, scheduler } = queueOf(async () => outcome);
    queue.add('a');
    await settle();
    expect(scheduler.pending).toEqual(pending);
  });

  it('runs a delayed key at once when it is added, and then not a second time', async () => {
    const { queue, seen, scheduler } = queueOf(async () => finished(done()));
    queue.addAfter('a', 1000);
    queue.add('a');
    await scheduler.advance(2000);
    expect(seen).toEqual(['a']);
  });

  it('of two delays counts the earlier', async () => {
    const { queue, seen, scheduler } = queueOf(async () => finished(done(60_000)));
    queue.addAfter('a', 1000);
    queue.addAfter('a', 50);
    queue.addAfter('a', 2000);
    expect(scheduler.pending).toEqual([50]);
    await scheduler.advance(50);
    expect([seen, scheduler.pending]).toEqual([['a'], [60_000]]);
    queue.addAfter('a', 5);
    expect(scheduler.pending).toEqual([5]);
  });

  it('takes no more keys once it is aborted, and drops delays', async () => {
    const { queue, seen, scheduler, abort } = queueOf(async () => finished(done()));
    queue.addAfter('a', 10);
    abort.abort();
    queue.add('b');
    queue.addAfter('c', 1);
    await scheduler.advance(100);
    expect([seen, scheduler.pending]).toEqual([[], []]);
  });

  it('outlives work that throws and listeners that throw', async () => {
    const outcomes: string[] = [];
    const scheduler = new HandScheduler();
    const queue = new WorkQueue({
      scheduler,
      concurrency: 1,
      work: () => Promise.reject(new Error('unexpected')),
      onOutcome: (_key, outcome) => {
        outcomes.push(outcome.kind);
        throw new Error('listener');
      },
    });
    queue.start(new AbortController().signal);
    queue.add('a');
    await settle();
    expect([outcomes, scheduler.pending.length]).toEqual([['failed'], 1]);
  });

  it('waits until it is started, and starts once only', async () => {
    const seen: string[] = [];
    const queue = new WorkQueue({
      scheduler: new HandScheduler(),
      concurrency: 1,
      work: async (key) => {
        seen.push(key);
        return finished(done());
      },
    });
    queue.add('early');
    await settle();
    expect(seen).toEqual([]);
    queue.start(new AbortController().signal);
    await queue.settled();
    expect(seen).toEqual(['early']);
    expect(() => queue.start(new AbortController().signal)).toThrow('started already');
  });

  it('forgets a key whose object is gone', async () => {
    const { queue, seen, scheduler } = queueOf(async () => failed);
    queue.add('a');
    await settle();
    queue.forget('a');
    await scheduler.advance(10_000);
    expect(seen).toEqual(['a']);
  });
});
