import { NestFactory } from '@nestjs/core';
import type { INestApplication } from '@nestjs/common';
import type { AddressInfo } from 'node:net';
import { kubeClientFromEnvironment } from '#kube';
import { createLogger, createRegistry, Health, NestLogger, Shutdown, type Logger, type Registry } from '#platform';
import type { ListenAddress, MeshConfig } from './config.js';
import { Mesh } from './mesh.js';
import { MeshMetrics } from './monitoring/metrics.js';
import { MonitoringModule, type DebugSources } from './monitoring/monitoring.module.js';
import { writeReplacing } from './output-files.js';

interface Running {
  mesh: Mesh | undefined;
  accepting: boolean;
}

/** The only place where the parts of this program meet: ports, files, signals, Nest. */
export async function runMesh(config: MeshConfig): Promise<void> {
  const logger = createLogger({ app: 'mesh', level: config.logLevel });
  const registry = createRegistry('mesh');
  const metrics = new MeshMetrics(registry);
  const health = new Health();
  const shutdown = new Shutdown({ logger });
  shutdown.install();
  const running: Running = { mesh: undefined, accepting: false };
  health.need('model', () => ({ ok: running.mesh?.index.current !== undefined, detail: 'collections read once' }));
  health.need('streams', () => ({ ok: running.accepting, detail: 'xDS port accepts streams' }));
  const client = await kubeClientFromEnvironment({ kubeconfig: config.kubeconfig, userAgent: 'isthmus-mesh' });
  const sources = debugSources(running);
  const app = await monitoringServer(config.monitoringAddress, { health, registry, sources, logger });
  shutdown.add('streams', () => running.mesh?.discovery.close());
  shutdown.add('monitoring', () => app.close());
  shutdown.add('kubernetes', () => client.close());
  const clock = { now: () => Date.now() };
  const mesh = await Mesh.create({ config, client, logger, clock, metrics }, shutdown.signal);
  running.mesh = mesh;
  watchState(metrics, mesh);
  const address = await mesh.start(shutdown.signal);
  running.accepting = true;
  announce(config, address, logger);
}

function announce({ readyFile, trustDomain }: MeshConfig, { host, port }: ListenAddress, logger: Logger): void {
  const address = `${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`;
  if (readyFile !== undefined) writeReplacing(readyFile, `${JSON.stringify({ address, pid: process.pid })}\n`);
  logger.info({ address, trustDomain }, 'mesh core ready');
}

function watchState(metrics: MeshMetrics, mesh: Mesh): void {
  metrics.watch('isthmus_mesh_push_queue', 'Streams that wait for their turn', () => mesh.discovery.queue.length);
  metrics.watch(
    'isthmus_mesh_push_in_flight',
    'Streams with an unanswered response',
    () => mesh.discovery.queue.inFlight,
  );
  metrics.watch('isthmus_mesh_ca_expiry_seconds', 'End of the CA certificate, Unix time', () => mesh.caNotAfter / 1000);
  metrics.watch(
    'isthmus_mesh_namespaces_without_roots',
    'Namespaces that still wait for the current roots',
    () => mesh.namespacesWithoutRoots,
  );
  metrics.watch(
    'isthmus_mesh_policies_not_understood',
    'AuthorizationPolicies with parts that are not understood',
    () => mesh.index.faultyPolicies,
  );
  metrics.watchRemotes(() => mesh.index.remoteReports());
  metrics.watch('isthmus_mesh_services', 'Services in the model', () => mesh.index.current?.model.services.length ?? 0);
}

interface Monitoring {
  readonly health: Health;
  readonly registry: Registry;
  readonly sources: DebugSources;
  readonly logger: Logger;
}

async function monitoringServer(address: ListenAddress, parts: Monitoring): Promise<INestApplication> {
  const { health, registry, sources, logger } = parts;
  const app = await NestFactory.create(MonitoringModule.with(health, registry, sources), {
    logger: new NestLogger(logger),
    abortOnError: false,
    forceCloseConnections: true,
  });
  await app.listen(address.port, address.host);
  const server = app.getHttpServer() as { address(): AddressInfo };
  logger.info({ address: `${address.host}:${server.address().port}` }, 'monitoring');
  return app;
}

/** Monitoring answers before the mesh stands: that is when one wants to look. */
function debugSources(running: Running): DebugSources {
  return {
    streams: () => running.mesh?.discovery.streams ?? [],
    current: () => running.mesh?.index.current,
    remotes: () => running.mesh?.index.remotes.states ?? [],
  };
}
