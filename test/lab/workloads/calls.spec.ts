import { describe, expect, it } from '@jest/globals';
import { parsed, runLoad } from './calls.js';
import type { CallResult } from './calls.js';

const options = { target: 'x', method: 'GET', headers: [], body: undefined, timeoutMs: 100 };

function scripted(results: readonly Omit<CallResult, 'ms'>[]) {
  let turn = 0;
  return () => ({
    call: () => Promise.resolve({ ...(results[turn++ % results.length] ?? { ok: true }), ms: turn }),
    close: () => undefined,
  });
}

describe('runLoad', () => {
  it('counts calls, failures and statuses and keeps the first failures', async () => {
    const open = scripted([
      { ok: true, status: 200 },
      { ok: false, error: 'reset' },
      { ok: false, status: 503 },
    ]);
    const report = await runLoad(open, options, { seconds: 0.2, rate: 500, connections: 1 });
    expect(report.calls).toBeGreaterThan(5);
    expect(report.failures).toBe(report.calls - (report.statuses['200'] ?? 0));
    expect(Object.keys(report.statuses).sort()).toEqual(['200', '503', 'none']);
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
