import { describe, expect, it } from '@jest/globals';
import { demoTotals } from './demo-totals.js';

function line(ok: unknown, ...steps: readonly boolean[]): string {
  return JSON.stringify({ ok, steps: steps.map((held) => ({ name: 'a step', ok: held, ms: 1 })) });
}

describe('totals of a demo', () => {
  it.each([
    ['every step held', 0, line(true, true, true), { passed: 2, failed: 0 }],
    ['a step did not hold', 1, line(false, true, false), { passed: 1, failed: 1 }],
    ['steps are missing, and it says so', 0, line(false, true), { passed: 1, failed: 1 }],
    ['it does not say whether it held', 0, line(undefined, true), { passed: 1, failed: 1 }],
    ['it says it held, and ends with an error', 1, line(true, true), { passed: 1, failed: 1 }],
    ['there were no steps', 0, line(true), { passed: 0, failed: 1 }],
    ['its last line is something else', 0, '2 of 2 steps held', { passed: 0, failed: 1 }],
    ['its last line is other JSON', 0, '{"ok":true}', { passed: 0, failed: 1 }],
  ])('%s', (_, code, lastLine, totals) => {
    expect(demoTotals(code, lastLine)).toEqual(totals);
  });
});
