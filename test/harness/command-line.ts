import { parseArgs } from 'node:util';
import type { ParseArgsOptionsConfig } from 'node:util';

export interface CommandLineWish<Options extends ParseArgsOptionsConfig> {
  readonly usage: string;
  readonly options: Options;
  /** Words that may stand without a flag; at most one of them. */
  readonly words?: readonly string[];
}

type Parsed<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true }>
>;

/** Reads a command line, or ends the process: usage on `--help` (exit 0), one clear line and usage on anything wrong (exit 2). */
export function readCommandLine<Options extends ParseArgsOptionsConfig>(
  { usage, options, words = [] }: CommandLineWish<Options>,
  args = process.argv.slice(2),
): Parsed<Options> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    const parsed = parseArgs({ args, options, allowPositionals: true });
    const [word, second] = parsed.positionals;
    if (second !== undefined || (word !== undefined && !words.includes(word)))
      throw new Error(
        `"${second ?? word}": ${words.length === 0 ? 'no such word' : `give one of ${words.join(', ')}`}`,
      );
    return parsed;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    process.exit(2);
  }
}
