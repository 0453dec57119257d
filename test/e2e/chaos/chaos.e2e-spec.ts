import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startLab } from '../../lab/index.js';
import type { Lab } from '../../lab/index.js';
import { call, label, publicLabel, serviceEntryHosts, untilAnswered } from '../../demo/scene.js';
import { eventually } from '../../demo/story.js';
import { loseAll } from './all-at-once.js';
import { healingMs, runChaos, victims } from './chaos-run.js';
import type { ChaosOutcome } from './chaos-run.js';

const host = 'echo.demo.svc.west.example';
const seed = Number(process.env['CHAOS_SEED'] ?? 20_261_120);
let lab: Lab;
let outcome: ChaosOutcome;

// Kills take a minute or two, and after each burst of them healing takes its time.
jest.setTimeout(900_000);

beforeAll(async () => {
  lab = await startLab({ clusters: 2 });
  const [east, west] = lab.clusters;
  await label(west!, 'echo', { [publicLabel]: '' });
  await untilAnswered(lab, east!, 'call-http', `http://${host}/`);
  outcome = await runChaos(lab, { kills: 20, seed, host, say: () => undefined });
});

afterAll(async () => {
  await lab?.stop();
});

describe(`twenty kills of the control plane, seed ${seed}`, () => {
  it('have killed every process of the control plane, on both sides', () => {
    expect(outcome.kills).toHaveLength(20);
    const all = ['east', 'west'].flatMap((cluster) => victims.map((victim) => `${cluster}/${victim}`));
    expect([...new Set(outcome.kills)].sort()).toEqual(all.sort());
  });

  it.each(['http', 'grpc', 'tcp'] as const)('lose no %s call', (kind) => {
    const { calls, failures, firstFailures } = outcome.loads[kind];
    expect({ failures, firstFailures }).toEqual({ failures: 0, firstFailures: [] });
    expect(calls).toBeGreaterThan(100);
  });

  it('lose nothing that was produced, not even for a moment', () => {
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
    await eventually('the ServiceEntry', healingMs, async () =>
      (await serviceEntryHosts(east!)).includes('late.demo.svc.west.example') ? true : undefined,
    );
    const answer = await eventually('the call', healingMs, async () => {
      const result = await call(lab, east!, 'call-http', 'http://late.demo.svc.west.example:8081/');
      return result.ok ? result : undefined;
    });
    expect(answer.status).toBe(200);
  });
});

describe('the whole control plane of one cluster killed at once, while its peer is silent', () => {
  it('comes back with what it knew: nothing produced is lost, and a proxy that knows nothing yet is led to the peer', async () => {
    const { before, silent, after, answer, loads } = await loseAll(lab, host);
    expect(Object.keys(before).length).toBeGreaterThan(3);
    expect(after).toEqual(before);
    expect(silent).toMatchObject({ status: 'False', reason: 'StaleKeepingLastKnownGood' });
    expect(answer).toMatchObject({ ok: true, status: 200, body: { cluster: 'west' } });
    expect(loads).toMatchObject({ failures: 0, firstFailures: [] });
  });
});
