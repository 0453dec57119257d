import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startLab } from '../../lab/index.js';
import type { Lab } from '../../lab/index.js';
import { call, label, publicLabel, serviceEntryHosts } from '../../demo/scene.js';
import { eventually } from '../../demo/story.js';
import { runChaos } from './chaos-run.js';
import type { ChaosOutcome } from './chaos-run.js';

const host = 'echo.demo.svc.west.example';
const seed = Number(process.env['CHAOS_SEED'] ?? 20_261_120);
let lab: Lab;
let outcome: ChaosOutcome;

beforeAll(async () => {
  lab = await startLab({ clusters: 2 });
  const [east, west] = lab.clusters;
  await label(west!, 'echo', { [publicLabel]: '' });
  await eventually('the first call', 30_000, async () =>
    (await call(lab, east!, 'call-http', `http://${host}/`)).ok ? true : undefined,
  );
  outcome = await runChaos(lab, { kills: 20, seed, host, say: () => undefined });
}, 300_000);

afterAll(async () => {
  await lab?.stop();
}, 60_000);

describe(`twenty kills of the control plane, seed ${seed}`, () => {
  it.each(['http', 'grpc', 'tcp'] as const)('lose no %s call', (kind) => {
    const { calls, failures, firstFailures } = outcome.loads[kind];
    expect({ failures, firstFailures }).toEqual({ failures: 0, firstFailures: [] });
    expect(calls).toBeGreaterThan(100);
  });

  it('lose nothing that was produced, not even for a moment', () => {
    expect(outcome.kills).toHaveLength(20);
    expect(outcome.after).toEqual(outcome.before);
  });

  it('leave everything working: a newly published service gets across', async () => {
    const [east, west] = lab.clusters;
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'late', namespace: 'demo', labels: { [publicLabel]: '' } },
      spec: { selector: { app: 'echo' }, ports: [{ name: 'http', port: 8081, targetPort: 8080 }] },
    };
    await west!.api.apply('/api/v1/namespaces/demo/services/late', service);
    await eventually('the ServiceEntry', 15_000, async () =>
      (await serviceEntryHosts(east!)).includes('late.demo.svc.west.example') ? true : undefined,
    );
    const answer = await eventually('the call', 15_000, async () => {
      const result = await call(lab, east!, 'call-http', 'http://late.demo.svc.west.example:8081/');
      return result.ok ? result : undefined;
    });
    expect(answer.status).toBe(200);
  }, 60_000);
});
