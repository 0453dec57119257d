import { describe, expect, it } from '@jest/globals';
import { done } from './result.js';
import { reconcileOnce } from './runner.js';
import type { Reconciler } from './reconciler.js';

const never = new AbortController().signal;
type Fault = 'none' | 'gone' | 'gather' | 'decide' | 'apply' | 'status' | 'write';

function reconciler(fault: Fault): Reconciler<{ a: number }, { next: ReturnType<typeof done> }, string> {
  const failIf = (phase: Fault): void => {
    if (fault === phase) throw new Error(`fault in ${phase}`);
  };
  return {
    gather: async () => {
      failIf('gather');
      return fault === 'gone' ? undefined : { a: 1 };
    },
    decide: () => {
      failIf('decide');
      return { next: done(5) };
    },
    apply: async () => failIf('apply'),
    status: (_input, verdict, failure) => {
      failIf('status');
      return `${verdict === undefined ? 'no verdict' : 'verdict'}; ${failure?.message ?? 'fine'}`;
    },
  };
}

describe('reconcileOnce', () => {
  it.each<[Fault, string, string[]]>([
    ['none', 'finished', ['verdict; fine']],
    ['gone', 'gone', []],
    ['gather', 'failed gather', []],
    ['decide', 'failed decide', ['no verdict; fault in decide']],
    ['apply', 'failed apply', ['verdict; fault in apply']],
    ['status', 'failed status', []],
    ['write', 'failed status', ['verdict; fine']],
  ])('with a fault in %s ends as %s and writes status once', async (fault, ending, statuses) => {
    const written: string[] = [];
    const write = async (_input: unknown, status: string): Promise<void> => {
      written.push(status);
      if (fault === 'write') throw new Error('API server away');
    };
    const outcome = await reconcileOnce(reconciler(fault), write, 'key', never);
    expect(outcome.kind === 'failed' ? `failed ${outcome.phase}` : outcome.kind).toBe(ending);
    expect(written).toEqual(statuses);
  });

  it('hands what comes next on', async () => {
    const outcome = await reconcileOnce(reconciler('none'), async () => {}, 'key', never);
    expect(outcome).toEqual({ kind: 'finished', next: { kind: 'done', afterMs: 5 } });
  });
});
