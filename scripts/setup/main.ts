/** `npm run setup`: gets the real parts and the system tools. Progress goes to standard error, results to standard output. */
import { parseArgs } from 'node:util';
import { partNamed } from './catalogue.js';
import { cacheDirectory, allParts, ensureParts, ensureSystemTools, reportParts } from './index.js';
import type { PartName, PartReport, Progress } from './index.js';
import { pinModules } from './pin.js';
import { table } from './table.js';

const help = `npm run setup [-- options]

Gets the real parts that the lab, the tests, the benchmarks and the demo run, into ${'${ISTHMUS_CACHE:-~/.cache/isthmus/parts}'}.

  --only a,b   these parts only (and no system tools)
  --list       show what is there and how it came; get nothing
  --json       results as JSON on standard output
  --pin        rewrite scripts/setup/modules after a version was raised
  --help
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      pin: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  if (values.pin) {
    await pinModules(say);
    return;
  }
  const only = values.only?.split(',').map((name) => partNamed(name.trim()).name);
  if (!values.list) await setUp(only);
  const reports = await reportParts(only ?? allParts);
  process.stdout.write(values.json ? `${JSON.stringify(asObject(reports), null, 2)}\n` : table(reports));
}

async function setUp(only: readonly PartName[] | undefined): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(new Error(`ended by ${name}`)));
  }
  const started = performance.now();
  if (only === undefined) await ensureSystemTools({ onProgress: say, signal: stop.signal });
  await ensureParts(only ?? allParts, { onProgress: say, signal: stop.signal });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stderr.write(`setup: everything is there after ${seconds} s\n`);
}

function say({ step, text, seconds }: Progress): void {
  process.stderr.write(`setup: ${step}: ${text}${seconds > 0 ? ` (${seconds} s)` : ''}\n`);
}

function asObject(reports: readonly PartReport[]): unknown {
  return { cache: cacheDirectory(process.env), parts: reports };
}

main().catch((error: unknown) => {
  process.stderr.write(`setup: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
