// `npm run demo`: the main job end to end on this machine. Exit code 0 only if every step held; `--json` prints one last line.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startLab } from '../lab/index.js';
import type { Lab } from '../lab/index.js';
import { tellFederation } from './federation.js';
import { Story } from './story.js';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, 'keep-going': { type: 'boolean', default: false } },
});
const out = (line: string): void => void process.stdout.write(`${line}\n`);
const story = new Story(out);
let lab: Lab | undefined;
let stopping: Promise<void> | undefined;

function stop(): Promise<void> {
  stopping ??= lab?.stop() ?? Promise.resolve();
  return stopping;
}

/** Interrupted before the lab stood: its processes die with this one, its folder goes here. */
function removeUnfinishedLab(): void {
  const mine = readdirSync(tmpdir()).filter((name) => name.startsWith(`isthmus-lab-${process.pid}-`));
  for (const name of mine) rmSync(join(tmpdir(), name), { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    if (lab === undefined) removeUnfinishedLab();
    void stop().then(() => process.exit(130));
  });
}

const folder = mkdtempSync(join(tmpdir(), 'isthmus-demo-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
out('Isthmus demo: two clusters on this machine, different trust domains and roots; one call between them.');
const valuesFile = join(folder, 'values.yaml');
writeFileSync(valuesFile, 'controller:\n  keyRotation: { announceSeconds: 20, honourSeconds: 30 }\n');
const started = performance.now();
try {
  await story.step(
    'two clusters start, each with Isthmus (helm install) and workloads with sidecars',
    async (say) => {
      lab = await startLab({ clusters: 2, peers: false, values: [valuesFile], progress: say });
      return lab.clusters.map(({ plan }) => `${plan.name}: trust domain ${plan.trustDomain}`).join('\n');
    },
    true,
  );
  const [a, b] = lab?.clusters ?? [];
  if (lab !== undefined && a !== undefined && b !== undefined) await tellFederation({ lab, a, b }, story);
} catch (error) {
  out(`     stopped: ${error instanceof Error ? error.message : String(error)}`);
} finally {
  await stop();
}
const held = story.results.filter(({ ok }) => ok).length;
out(`${held} of ${story.results.length} steps held, ${Math.round((performance.now() - started) / 1000)} s in all`);
if (values.json) out(JSON.stringify({ ok: story.ok, steps: story.results }));
process.exit(story.ok ? 0 : 1);
