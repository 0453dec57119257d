import { parseArgs } from 'node:util';

/** What a bench takes: whole numbers with their defaults, and texts without. `--json FILE` is everyone's. */
export interface BenchOptions {
  readonly numbers: Readonly<Record<string, number>>;
  readonly texts?: readonly string[];
}

export interface Wish {
  readonly bench: string;
  readonly number: (option: string) => number;
  readonly text: (option: string) => string | undefined;
}

/** The command line asks for what is not there; the message says what is. */
export class WishError extends Error {}

/** Reads `<bench> [--option value]…`. Pure. @throws WishError */
export function readWish(args: readonly string[], benches: Readonly<Record<string, BenchOptions>>): Wish {
  const usage = Object.keys(benches).map((name) => usageOf(name, benches[name]));
  const refuse = (message: string): WishError => new WishError([message, ...usage].join('\n'));
  const [bench = '', ...rest] = args;
  const options = Object.hasOwn(benches, bench) ? benches[bench] : undefined;
  if (options === undefined)
    throw refuse(bench === '' || bench.startsWith('-') ? 'which bench?' : `no bench is called ${bench}`);
  const values = valuesOf(rest, options, refuse);
  const numbers = new Map(
    Object.entries(options.numbers).map(([name, standard]) => {
      const number = Number(values[name] ?? standard);
      if (!Number.isInteger(number) || number < 1)
        throw refuse(`--${name} ${values[name]}: expected a whole number from 1 on`);
      return [name, number];
    }),
  );
  return { bench, number: (name) => numbers.get(name) ?? 0, text: (name) => values[name] };
}

function valuesOf(
  args: readonly string[],
  { numbers, texts = [] }: BenchOptions,
  refuse: (message: string) => WishError,
): Readonly<Record<string, string | undefined>> {
  const names = [...Object.keys(numbers), ...texts, 'json'];
  try {
    const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
}

function usageOf(name: string, options: BenchOptions | undefined): string {
  const { numbers = {}, texts = [] } = options ?? {};
  const parts = [
    ...Object.entries(numbers).map(([option, standard]) => `[--${option} ${standard}]`),
    ...texts.map((option) => `[--${option} …]`),
  ];
  return `npm run bench -- ${name} ${parts.join(' ')} [--json FILE]`;
}
