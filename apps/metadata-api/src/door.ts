import type { Server } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { NextFunction, Request, Response } from 'express';
import helmet from 'helmet';
import type { KubeClient, Passthrough } from '#kube';
import { createRegistry, Health, NestLogger, startHealthServer } from '#platform';
import type { HealthServer, Logger, Registry } from '#platform';
import type { Store } from '#store';
import { ApiProxy } from './api-proxy/api-proxy.js';
import type { Listener } from './api-proxy/listener.js';
import { wire } from './app.module.js';
import type { Wiring } from './app.module.js';
import type { DoorConfig } from './config.js';
import { CutReport } from './cut-report.js';
import { Knowledge } from './documents/knowledge.js';
import { keepCertificate } from './http/certificate.js';
import { boundConnections, handshakeMs } from './http/connection-bound.js';
import type { ConnectionBound } from './http/connection-bound.js';
import { descriptionPath, entry } from './http/entry.js';
import type { DoorMetrics } from './metrics.js';

/** How long open requests may take to end when we drain. */
const drainMs = 10_000;
const largestHeaderBytes = 16 * 1024;

export interface DoorOptions {
  readonly config: DoorConfig;
  readonly client: KubeClient;
  /** Where the API proxy forwards to; needed where multicluster is enabled. */
  readonly passthrough?: Passthrough | undefined;
  readonly store: Store;
  readonly logger: Logger;
}

/** The running door; ports as bound (0 in the configuration lets the system choose). */
export interface RunningDoor {
  readonly httpsPort: number;
  readonly httpPort: number;
  /** Port of the API proxy; undefined where multicluster is not enabled. */
  readonly apiPort: number | undefined;
  /** Answers what is open, ends streams, lets go of everything. */
  drain(): Promise<void>;
}

/** The wired app; nothing is contacted before `start`. */
export interface Door {
  readonly health: Health;
  start(): Promise<RunningDoor>;
  close(): Promise<void>;
}

/** Wires the door. Fails on whatever is wrong with the wiring itself. */
export async function createDoor(options: DoorOptions): Promise<Door> {
  const { config, client, store, logger } = options;
  const registry = createRegistry('metadata-api');
  const health = new Health();
  const knowledge = new Knowledge({
    client,
    namespace: config.namespace,
    peersNamespace: config.peersNamespace,
    logger,
  });
  const cuts = new CutReport({ client, podName: config.podName, logger });
  const wiring = wire({ config, knowledge, store, cuts, logger, registry, health });
  const app = await httpsApp(wiring, config, logger);
  const apiProxy = apiProxyOf(options, { wiring, knowledge, cuts, registry });
  health.need('documents', () => {
    const missing = knowledge.missing();
    return { ok: missing.length === 0, detail: missing.join('; ') };
  });
  health.mention('store', () => ({
    ok: store.available(),
    detail: store.available()
      ? config.databaseUrl === undefined
        ? 'used tokens are kept by the embedded store, for this replica alone'
        : 'used tokens are shared by all replicas'
      : `replay record in this process memory only, audit waits: ${store.reason()}`,
  }));
  return {
    health,
    close: () => app.close(),
    start: async () => {
      const stop = new AbortController();
      const server = app.getHttpServer() as Server;
      const releaseCertificate = keepCertificate(server, config.tlsDirectory, logger);
      const side = await startHealthServer({ health, registry, port: config.httpPort, host: config.host, logger });
      knowledge.start(stop.signal);
      await app.listen(config.httpsPort, config.host);
      const httpsPort = portOf(server);
      const api = await apiProxy?.start();
      const ports = { httpsPort, httpPort: side.port, apiPort: api?.port };
      logger.info(ports, 'the door is open');
      const running = { app, server, side, wiring, health, config, api };
      return {
        ...ports,
        drain: async () => {
          await drain(running);
          releaseCertificate();
          stop.abort(new Error('drained'));
        },
      };
    },
  };
}

interface Wired {
  readonly wiring: Wiring;
  readonly knowledge: Knowledge;
  readonly cuts: CutReport;
  readonly registry: Registry;
}

function apiProxyOf(options: DoorOptions, { wiring, knowledge, cuts, registry }: Wired): ApiProxy | undefined {
  const { config, passthrough, store, logger } = options;
  if (!config.apiProxy.enabled) return undefined;
  if (passthrough === undefined) throw new Error('the API proxy needs a way to the API server');
  const { auditor, metrics: doorMetrics, draining, now } = wiring.entry;
  const random = Math.random;
  return new ApiProxy({
    config,
    knowledge,
    passthrough,
    auditor,
    replay: store.replay,
    cuts,
    doorMetrics,
    registry,
    logger,
    connections: connectionBound(config, doorMetrics),
    draining,
    now,
    random,
  });
}

async function httpsApp(wiring: Wiring, config: DoorConfig, logger: Logger): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(wiring.module, {
    httpsOptions: { maxHeaderSize: largestHeaderBytes, handshakeTimeout: handshakeMs } as object,
    bodyParser: false,
    abortOnError: false,
    logger: new NestLogger(logger),
  });
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('query parser', false);
  app.set('trust proxy', config.trustedProxies.length === 0 ? false : [...config.trustedProxies]);
  app.use(entry(wiring.entry));
  app.use(helmet());
  const description = JSON.stringify(openApiDocument(app));
  app.use(descriptionPath, (request: Request, response: Response, next: NextFunction) => {
    // Below it, too, is where this is called.
    if (request.path !== '/') return next();
    response.setHeader('content-type', 'application/json; charset=utf-8');
    response.end(description);
  });
  await app.init();
  const server = app.getHttpServer() as Server;
  limit(server);
  boundConnections(server, connectionBound(config, wiring.entry.metrics));
  return app;
}

function openApiDocument(app: NestExpressApplication): object {
  const about = new DocumentBuilder()
    .setTitle('Isthmus metadata API')
    .setDescription('What clusters tell each other; the wire is frozen in docs/protocol.md')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'compact JWS, EdDSA' })
    .build();
  return SwaggerModule.createDocument(app, about);
}

/** Slow or silent connections cost a socket for seconds only. */
function limit(server: Server): void {
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  server.keepAliveTimeout = 75_000;
  server.maxHeadersCount = 100;
}

function connectionBound(config: DoorConfig, metrics: DoorMetrics): ConnectionBound {
  return {
    perSource: config.connectionsPerSource,
    trustedProxies: config.trustedProxies,
    onRefused: () => metrics.refusals.inc({ reason: 'connections' }),
  };
}

interface Draining {
  readonly app: NestExpressApplication;
  readonly server: Server;
  readonly side: HealthServer;
  readonly wiring: Wiring;
  readonly health: Health;
  readonly config: DoorConfig;
  readonly api: Listener | undefined;
}

async function drain({ app, server, side, wiring, health, config, api }: Draining): Promise<void> {
  health.drain();
  await sleep(config.drainDelayMs);
  wiring.streams.endAll('draining');
  const apiClosed = api?.drain(drainMs);
  const cut = setTimeout(() => server.closeAllConnections(), drainMs);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Kept-alive connections fall idle one by one, as their last answers go out.
  const idle = setInterval(() => server.closeIdleConnections(), 25);
  await Promise.all([closed, apiClosed]);
  clearInterval(idle);
  clearTimeout(cut);
  wiring.entry.auditor.sumUp();
  await app.close().catch(() => undefined);
  await side.close();
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
