import { LeaderElector, kubeClientFromEnvironment } from '#kube';
import { names } from '#model';
import { createLogger, createRegistry, Health, Shutdown, startHealthServer } from '#platform';
import type { Scheduler } from '#reconcile';
import { openStore } from '#store';
import type { ControllerConfig } from './config.js';
import { storedHistory } from './peer/history.js';
import { LeaderTerm } from './leader-term.js';
import { createMetrics } from './metrics.js';
import { printPlan } from './plan.js';
import { createWorld } from './world.js';

const scheduler: Scheduler = {
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
  now: Date.now,
};

/** Wires ports to adapters and runs until a signal ends the process; `--check` only wires, `--plan` only says what would be written. */
export async function runController(config: ControllerConfig, argv: readonly string[]): Promise<void> {
  // A plan's standard output is YAML and nothing else.
  const destination = argv.includes('--plan') ? { destination: process.stderr } : {};
  const logger = createLogger({ app: 'controller', level: config.logLevel, ...destination });
  if (argv.includes('--check')) {
    logger.info({ clusterDomain: config.mesh.clusterDomain }, 'the configuration is sound');
    return;
  }
  const client = await kubeClientFromEnvironment({ kubeconfig: config.kubeconfig });
  const world = createWorld(client, config, logger);
  const clock = { now: Date.now };
  if (argv.includes('--plan')) {
    await printPlan({ client, world, config, clock, logger });
    return;
  }
  const registry = createRegistry('controller');
  const metrics = createMetrics(registry);
  const health = new Health();
  const shutdown = new Shutdown({ logger });
  shutdown.install();
  let synced = false;
  health.need('informers', () =>
    synced ? { ok: true } : { ok: false, detail: 'reading the Kubernetes API for the first time' },
  );
  const elector = new LeaderElector({
    client,
    namespace: config.mesh.releaseNamespace,
    name: names.lease,
    identity: config.podName,
    leaseMs: config.leaseMs,
    logger,
  });
  health.mention('leader', () => ({ ok: true, detail: elector.isLeader ? 'leads' : 'stands by' }));
  const server = await startHealthServer({ health, registry, port: config.httpPort, logger });
  shutdown.add('health server', () => server.close());
  const store = openStore({ databaseUrl: config.databaseUrl?.reveal(), dataDirectory: config.storeDirectory, logger });
  health.mention('store', () =>
    store.available() ? { ok: true } : { ok: false, detail: store.reason() ?? 'not there yet; nothing needs it' },
  );
  shutdown.add('store', () => store.close());
  await world.start(shutdown.signal);
  synced = true;
  await elector.run(shutdown.signal, async (signal) => {
    metrics.leading(true);
    logger.info('this replica leads');
    await new LeaderTerm({
      client,
      world,
      config,
      logger,
      clock,
      scheduler,
      metrics,
      history: storedHistory(store),
    }).lead(signal);
    metrics.leading(false);
  });
}
