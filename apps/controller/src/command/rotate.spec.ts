import { describe, expect, it } from '@jest/globals';
import { progressOf } from './rotate.js';
import type { ChangeReport } from './rotate.js';

const report: ChangeReport = { phase: 'in use', request: 'a', message: 'key two signs' };

describe('what is told to whoever asked for a change', () => {
  it.each<[string, Parameters<typeof progressOf>[1], boolean, RegExp]>([
    ['his own wish was met', { report, wish: 'a' }, true, /^key two signs$/],
    ['a later wish joined it', { report: { ...report, request: 'b' }, wish: 'b' }, true, /one change serves both/],
    ['both wait', { report: { ...report, phase: 'announced', request: 'b' }, wish: 'b' }, false, /serves both/],
    [
      'nobody has looked yet',
      { report: { ...report, request: 'old' }, wish: 'a' },
      false,
      /not taken it up yet: key two/,
    ],
    [
      'a later wish came, and nobody has looked yet',
      { report: { ...report, request: 'old' }, wish: 'b' },
      false,
      /not/,
    ],
    ['nothing is told', { report: undefined, wish: 'a' }, false, /says nothing/],
  ])('%s', (_when, seen, done, line) => {
    expect(progressOf('signing-key', seen, 'a')).toMatchObject({ done, line: expect.stringMatching(line) });
  });

  it.each([
    ['root', undefined, /mesh.enabled is false/],
    ['root', { phase: 'plugged-in', message: 'it is yours' }, /root: it is yours/],
    ['door-certificate', { phase: 'given', message: 'it is yours' }, /door-certificate: it is yours/],
  ] as const)('refuses what is not ours: %s %j', (what, told, refused) => {
    expect(progressOf(what, { report: told, wish: 'a' }, 'a').refused).toMatch(refused);
  });
});
