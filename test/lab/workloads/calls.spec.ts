import { describe, expect, it } from '@jest/globals';
import { parsed, runLoad } from './calls.js';
import type { CallResult } from './calls.js';

const options = { target: 'x', method: 'GET', headers: [], body: undefined, timeoutMs: 100 };

/** Answers in turn, and ends the load with so many calls. */
function scripted(results: readonly Omit<CallResult, 'ms'>[], calls: number, ending: AbortController) {
  let turn = 0;
  return () => ({
    call: () => {
      if (turn + 1 === calls) ending.abort();
      return Promise.resolve({ ...(results[turn++ % results.length] ?? { ok: true }), ms: turn });
    },
    close: () => undefined,
  });
}

describe('runLoad', () => {
  it('counts calls, failures and statuses and keeps the first failures', async () => {
    const results = [
      { ok: true, status: 200 },
      { ok: false, error: 'reset' },
      { ok: false, status: 503 },
    ];
    const ending = new AbortController();
    const load = { seconds: 0, rate: 500, connections: 1 };
    const report = await runLoad(scripted(results, 30, ending), options, load, ending.signal);
    expect(report).toMatchObject({ calls: 30, failures: 20, statuses: { 200: 10, 503: 10, none: 10 } });
    expect(report.firstFailures[0]).toMatchObject({ error: 'reset' });
    expect(report.done).toBe(true);
    expect(report.breaks).toBe(0);
  });
});

describe('parsed', () => {
  it.each([
    ['{"a":1}', { a: 1 }],
    ['plain', 'plain'],
  ])('%s', (text, value) => {
    expect(parsed(text)).toEqual(value);
  });
});
