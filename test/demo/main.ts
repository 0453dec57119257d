// `npm run demo`: the main job end to end on this machine. Exit code 0 only if every step held; `--json` prints one last line.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCommandLine } from '../harness/command-line.js';
import { startLab } from '../lab/index.js';
import type { Lab } from '../lab/index.js';
import { tellFederation } from './federation.js';
import { tellMulticluster } from './multicluster.js';
import { Story } from './story.js';

const { values, positionals } = readCommandLine({
  usage: `npm run demo -- [federation | multicluster] [--json]

federation (default): two sovereign clusters, one call between them, and everything that must not work.
multicluster: three clusters that share all names; one service in all of them, through what may befall them.
  --json   one last line {"ok":…,"steps":[{"name","ok","ms"}]}
Ends by itself; exit code 0 only if every step held.`,
  options: { json: { type: 'boolean', default: false } },
  words: ['federation', 'multicluster'],
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

// ^C comes more than once: from the terminal, from npm and from the launcher.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping === undefined) out(`${signal}: not finished; ending all that was started`);
    if (lab === undefined) removeUnfinishedLab();
    void stop().then(() => process.exit(130));
  });
}

const folder = mkdtempSync(join(tmpdir(), 'isthmus-demo-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const valuesFile = join(folder, 'values.yaml');
// Minutes and days of real life, in seconds.
writeFileSync(
  valuesFile,
  `controller:
  keyRotation: { announceSeconds: 20, honourSeconds: 30 }
  # A key or root is announced for longer than peers take to look.
  documents: { pollSeconds: 3 }
mesh:
  maxWorkloadCertTTLSeconds: 45
  rootRotation: { announceSeconds: 20 }
`,
);
const started = performance.now();

async function federation(): Promise<void> {
  out('Isthmus demo: two clusters on this machine, different trust domains and roots; one call between them.');
  const running = await start(
    'two clusters start, each with Isthmus (helm install) and workloads with sidecars',
    2,
    false,
  );
  await tellFederation({ lab: running, a: running.cluster('east'), b: running.cluster('west') }, story);
}

async function multicluster(): Promise<void> {
  out('Isthmus demo: three clusters that share all names, two of them on one network; one service in all of them.');
  const running = await start(
    'three clusters start, each with Isthmus (helm install) and workloads with sidecars',
    3,
    true,
  );
  const [east, west, north] = [running.cluster('east'), running.cluster('west'), running.cluster('north')];
  await tellMulticluster({ lab: running, east, west, north }, story);
}

async function start(name: string, clusters: number, shared: boolean): Promise<Lab> {
  await story.step(
    name,
    async (say) => {
      lab = await startLab({ clusters, multicluster: shared, peers: false, values: [valuesFile], progress: say });
      return lab.clusters
        .map(
          ({ plan }) =>
            `${plan.name}: trust domain ${plan.trustDomain}, network ${plan.network}, ${plan.region}/${plan.zone}`,
        )
        .join('\n');
    },
    true,
  );
  if (lab === undefined) throw new Error('the clusters were started, but nobody kept them');
  return lab;
}

await story.tell('what stands between the steps', positionals[0] === 'multicluster' ? multicluster : federation);
await story.tell('the clusters end', stop);
const held = story.results.filter(({ ok }) => ok).length;
out(`${held} of ${story.results.length} steps held, ${Math.round((performance.now() - started) / 1000)} s in all`);
if (values.json) out(JSON.stringify({ ok: story.ok, steps: story.results }));
process.exit(story.ok ? 0 : 1);
