// `npm run chaos`: the same as the e2e spec, longer. Exit code 0 only if no call failed and nothing was lost.
import { isDeepStrictEqual } from 'node:util';
import { label, publicLabel, untilAnswered } from '../demo/scene.js';
import { readCommandLine } from '../harness/command-line.js';
import { startLab } from '../lab/index.js';
import { runChaos } from './chaos/chaos-run.js';

const { values } = readCommandLine({
  usage: `npm run chaos -- [--kills 200] [--seed N]

Kills control-plane processes at random under HTTP, gRPC and TCP load; exit code 0 only if no call failed and nothing was lost.`,
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
for (const name of ['kills', 'seed'] as const) {
  if (/^\d{1,9}$/.test(values[name])) continue;
  process.stderr.write(`--${name} ${values[name]}: give a whole number\n`);
  process.exit(2);
}
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const host = 'echo.demo.svc.west.example';
say(`chaos: ${values.kills} kills, seed ${values.seed}`);
const lab = await startLab({ clusters: 2, progress: say });
let stopping: Promise<void> | undefined;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => void (stopping ??= lab.stop()).then(() => process.exit(130)));
let ok = false;
try {
  const [east, west] = lab.clusters;
  if (east === undefined || west === undefined) throw new Error('two clusters were expected');
  await label(west, 'echo', { [publicLabel]: '' });
  await untilAnswered(lab, east, 'call-http', `http://${host}/`);
  const outcome = await runChaos(lab, { kills: Number(values.kills), seed: Number(values.seed), host, say });
  for (const [kind, report] of Object.entries(outcome.loads)) {
    say(
      `${kind}: ${report.calls} calls, ${report.failures} failed, p50 ${report.p50} ms, p99 ${report.p99} ms, slowest ${report.max} ms`,
    );
    for (const failure of report.firstFailures) say(`  ${JSON.stringify(failure).slice(0, 300)}`);
  }
  const kept = isDeepStrictEqual(outcome.before, outcome.after);
  say(
    kept
      ? 'everything produced is as it was'
      : `something changed:\n${JSON.stringify(outcome.before)}\n${JSON.stringify(outcome.after)}`,
  );
  ok = kept && Object.values(outcome.loads).every(({ failures }) => failures === 0);
} finally {
  await lab.stop();
}
say(ok ? 'held' : `did not hold; run it again with --seed ${values.seed}`);
process.exit(ok ? 0 : 1);
