import { clusterAccessFromEnvironment, HttpKubeClient, Passthrough, tokenAccess } from '#kube';
import { ConfigFaultsError, createLogger, Shutdown } from '#platform';
import { openStore } from '#store';
import { loadConfig } from './config.js';
import type { DoorConfig } from './config.js';
import { createDoor } from './door.js';

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  if (process.argv.includes('--check')) return check(config);
  const logger = createLogger({ app: 'metadata-api', level: config.logLevel });
  const access = await clusterAccessFromEnvironment({ kubeconfig: config.kubeconfig });
  const client = new HttpKubeClient(access, 'isthmus-metadata-api');
  const passthrough = new Passthrough(access);
  const store = openStore({
    databaseUrl: config.databaseUrl?.reveal(),
    dataDirectory: config.storeDirectory,
    logger,
  });
  const shutdown = new Shutdown({ logger });
  shutdown.install();
  const door = await createDoor({ config, client, passthrough, store, logger });
  const running = await door.start();
  shutdown.add('drain', () => running.drain());
  shutdown.add('store', () => store.close());
  shutdown.add('client', () => client.close());
  shutdown.add('passthrough', () => passthrough.close());
}

/** Loads the configuration and wires everything, contacts nobody. */
async function check(config: DoorConfig): Promise<void> {
  const logger = createLogger({ app: 'metadata-api', level: 'warn' });
  const access = tokenAccess('https://127.0.0.1:1', '');
  const client = new HttpKubeClient(access);
  const passthrough = new Passthrough(access);
  const store = openStore({
    databaseUrl: 'postgres://127.0.0.1:1/check',
    dataDirectory: config.storeDirectory,
    logger,
  });
  const door = await createDoor({ config, client, passthrough, store, logger });
  await door.close();
  await store.close();
  await client.close();
  await passthrough.close();
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigFaultsError ? error.message : error);
  process.exit(1);
});
