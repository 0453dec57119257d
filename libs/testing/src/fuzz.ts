import { types } from 'node:util';
import fc from 'fast-check';

/** Inputs per property: 100,000 unless FUZZ_RUNS says otherwise (`npm test` 5,000, `npm run fuzz` 1,000,000). */
export const fuzzRuns = Number(process.env['FUZZ_RUNS'] ?? 100_000);
/** Jest's limit for one property, milliseconds; for 1,000,000 inputs on a busy machine. */
export const fuzzLimitMs = 30 * 60_000;

/** Numbers that steer cheap generators: one draw a run, so that 100,000 runs take seconds, and a failure still shrinks. */
export class Dice {
  #at = 0;
  constructor(private readonly numbers: readonly number[]) {}

  /** 0 to `sides` - 1. */
  next(sides: number): number {
    const drawn = (this.numbers[this.#at % this.numbers.length] ?? 0) + this.#at * 7919;
    this.#at += 1;
    return drawn % sides;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.next(items.length)] as T;
  }

  /** Fewer than `most` things. */
  list<T>(most: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.next(most) }, (_unused, index) => make(index));
  }
}

const seeds = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 40 });

/** Runs a check with `fuzzRuns` dice; the check throws when a property does not hold. */
export function fuzz(check: (dice: Dice) => void): void {
  fc.assert(
    fc.property(seeds, (numbers) => check(new Dice(numbers))),
    { numRuns: fuzzRuns },
  );
}

/** The same of a check that ends later. */
export function fuzzAsync(check: (dice: Dice) => Promise<void>): Promise<void> {
  return fc.assert(
    fc.asyncProperty(seeds, (numbers) => check(new Dice(numbers))),
    { numRuns: fuzzRuns },
  );
}

/**
 * Runs a check that answers whether the decoder took its input (true) or refused it with a fault. Fails as well when less than a hundredth of the
 * inputs was taken, or was refused: inputs too wild or too tame show nothing.
 */
export async function fuzzBothWays(check: (dice: Dice) => boolean | Promise<boolean>): Promise<void> {
  const seen = { taken: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(seeds, async (numbers) => {
      seen[(await check(new Dice(numbers))) ? 'taken' : 'refused'] += 1;
    }),
    { numRuns: fuzzRuns },
  );
  const least = Math.ceil(fuzzRuns / 100);
  if (seen.taken >= least && seen.refused >= least) return;
  throw new Error(`${seen.taken} inputs were taken, ${seen.refused} refused; at least ${least} each show something`);
}

/** What a foreign text or structure must never carry into an error. */
export const fuzzSecret = 'hunter2-never-tell';

const words = [
  '',
  'a',
  '*',
  '..',
  '\u0000',
  'A.b',
  '10.0.0.1',
  'fd00::1',
  'x'.repeat(300),
  '__proto__',
  '\ud800',
  fuzzSecret,
];
const numbers = [0, -1, 1, 80, 65_535, 65_536, 1e308, 0.5, Number.MAX_SAFE_INTEGER];

/** Any JSON value, with objects of the given keys; at most some dozens of values. */
export function anyValue(dice: Dice, keys: readonly string[], depth = 0): unknown {
  const kind = dice.next(depth > 3 ? 5 : 8);
  if (kind === 0) return dice.pick(words);
  if (kind === 1) return dice.pick(numbers);
  if (kind === 2) return dice.pick([null, true, false]);
  if (kind < 5) return dice.pick<unknown>([[], {}, '', 15_443]);
  if (kind === 5) return dice.list(4, () => anyValue(dice, keys, depth + 1));
  return Object.fromEntries(dice.list(6, () => [dice.pick(keys), anyValue(dice, keys, depth + 1)]));
}

/** A copy of a plain JSON structure in which some member, however deep, is another value, gone or added. */
export function brokenValue(dice: Dice, value: unknown, keys: readonly string[]): unknown {
  if (dice.next(4) === 0 || typeof value !== 'object' || value === null) return anyValue(dice, keys, 2);
  if (Array.isArray(value)) {
    const at = dice.next(value.length + 1);
    return [...value.slice(0, at), brokenValue(dice, value[at], keys), ...value.slice(at + 1)];
  }
  const fields = Object.entries(value);
  const [name, old] = fields[dice.next(fields.length + 1)] ?? [dice.pick(keys), undefined];
  const rest = fields.filter(([other]) => other !== name);
  return Object.fromEntries(dice.next(5) === 0 ? rest : [...rest, [name, brokenValue(dice, old, keys)]]);
}

const pieces = [
  '"',
  '{',
  '[',
  '}',
  ']',
  ',',
  ':',
  '\\',
  '\n',
  '- ',
  '&a ',
  '*a',
  '\u0000',
  '\ufeff',
  '9'.repeat(400),
  '['.repeat(60),
];

/** The text with a piece cut off, replaced, repeated or put into it; sometimes as it is. */
export function brokenText(dice: Dice, text: string): string {
  const at = dice.next(text.length + 1);
  const form = dice.next(6);
  if (form === 0) return text.slice(0, at);
  if (form === 1) return text.slice(0, at) + dice.pick(pieces) + text.slice(at);
  if (form === 2) return text.slice(0, at) + dice.pick(pieces) + text.slice(at + 1);
  if (form === 3) return text.slice(0, at) + text.slice(Math.max(0, at - 40));
  return form === 4 ? text.slice(0, at) + text.slice(at + 1 + dice.next(20)) : text;
}

/** What `read` gives, or undefined when it throws an error that `expected` knows and that tells no secret. */
export function readOr<T>(read: () => T, expected: (error: Error) => boolean): T | undefined {
  try {
    return read();
  } catch (error) {
    // Node's own errors are of another realm than a spec's.
    if (!types.isNativeError(error) || !expected(error)) throw error;
    if (error.message.includes(fuzzSecret)) throw new Error(`tells a secret: ${error.message}`, { cause: error });
    return undefined;
  }
}
