import { kubeClientFromEnvironment } from '#kube';
import { ConfigFaultsError, createLogger, Shutdown } from '#platform';
import { loadWayOutConfig } from './way-out/config.js';
import { WayOut } from './way-out/way-out.js';

async function main(): Promise<void> {
  const config = loadWayOutConfig(process.env);
  const logger = createLogger({ app: 'way-out', level: config.logLevel });
  if (process.argv.includes('--check')) {
    logger.info({ namespace: config.namespace }, 'the configuration is sound');
    return;
  }
  const client = await kubeClientFromEnvironment({ kubeconfig: config.kubeconfig, userAgent: 'isthmus-way-out' });
  const shutdown = new Shutdown({ logger });
  shutdown.install();
  const running = await new WayOut({ config, client, logger, now: Date.now }).start();
  shutdown.add('drain', () => running.drain());
  shutdown.add('client', () => client.close());
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigFaultsError ? error.message : error);
  process.exit(1);
});
