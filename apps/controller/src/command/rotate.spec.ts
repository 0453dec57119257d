import { describe, expect, it } from '@jest/globals';
import { progressOf, rotationWish } from './rotate.js';
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

describe('what is told to whoever asked for gateway addresses', () => {
  const told = (over: Partial<ChangeReport>, wish?: string): Parameters<typeof progressOf>[1] => ({
    report: { phase: 'in use', request: 'x:1', message: 'peers are told x:1', ...over },
    wish,
  });

  it.each<[string, Parameters<typeof progressOf>[1], string, object]>([
    ['they are told alone', told({}, 'x:1'), 'x:1', { done: true }],
    [
      'both are told',
      told({ phase: 'announced', nextChangeAt: '1970-01-01T00:00:05Z' }, 'x:1'),
      'x:1',
      { done: false, next: 5_000 },
    ],
    [
      'nobody has looked yet',
      told({ request: '' }, 'x:1'),
      'x:1',
      { done: false, line: expect.stringContaining('not taken it up') },
    ],
    ['they are withdrawn', told({ request: '' }), '', { done: true }],
    ['the withdrawal is not seen yet', told({ request: 'x:1' }), '', { done: false }],
    [
      'others took their place',
      told({ request: 'y:1' }, 'y:1'),
      'x:1',
      { done: false, refused: expect.stringContaining('others were asked for meanwhile: y:1') },
    ],
  ])('%s', (_when, seen, request, expected) => {
    expect(progressOf('gateway-addresses', seen, request)).toMatchObject(expected);
  });
});

describe('what is typed after trust rotate', () => {
  it.each<[string, Parameters<typeof rotationWish>[1], string]>([
    ['root', {}, '1970-01-01T00:00:00.000Z'],
    ['gateway-addresses', { to: 'b.example:2, a.example:1' }, 'a.example:1,b.example:2'],
    ['gateway-addresses', { withdraw: true }, ''],
  ])('%s %j', (what, options, request) => {
    expect(rotationWish(what, options, 0)).toEqual({ what, request });
  });

  it.each<[string, Parameters<typeof rotationWish>[1], RegExp]>([
    ['everything', {}, /give one of signing-key, root, door-certificate, gateway-addresses/],
    ['root', { to: 'a.example:1' }, /--to and --withdraw are for gateway-addresses alone/],
    ['gateway-addresses', {}, /give --to host:port\[,host:port\], or --withdraw/],
    ['gateway-addresses', { to: 'a.example:1', withdraw: true }, /or --withdraw/],
    ['gateway-addresses', { to: 'a.example' }, /^--to: "a\.example" is no host:port/],
  ])('%s %j is refused', (what, options, why) => {
    expect(() => rotationWish(what, options, 0)).toThrow(why);
  });
});
