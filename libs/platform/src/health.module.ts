import 'reflect-metadata';
import { Controller, Get, Inject, Module, Res } from '@nestjs/common';
import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { Health } from './health.js';
import { NestLogger } from './logger.js';
import type { Logger } from './logger.js';

/** /healthz says the process turns, /readyz whether it should get requests and why not, /metrics what it counted. */
@Controller()
export class HealthController {
  constructor(
    @Inject(Health) private readonly health: Health,
    @Inject(Registry) private readonly registry: Registry,
  ) {}

  @Get('healthz')
  live(): string {
    return 'ok';
  }

  @Get('readyz')
  ready(@Res() response: ServerResponse): void {
    const readiness = this.health.readiness();
    response.statusCode = readiness.ready ? 200 : 503;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(readiness));
  }

  @Get('metrics')
  async metrics(@Res() response: ServerResponse): Promise<void> {
    const body = await this.registry.metrics();
    response.setHeader('content-type', this.registry.contentType);
    response.end(body);
  }
}

@Module({})
export class HealthModule {
  static with(health: Health, registry: Registry): DynamicModule {
    return {
      module: HealthModule,
      controllers: [HealthController],
      providers: [
        { provide: Health, useValue: health },
        { provide: Registry, useValue: registry },
      ],
    };
  }
}

export interface HealthServerOptions {
  readonly health: Health;
  readonly registry: Registry;
  readonly port: number;
  readonly host?: string;
  readonly logger: Logger;
  /** More pages, JSON, by path. */
  readonly pages?: Readonly<Record<string, () => object>>;
}

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves `HealthModule` alone on a plain HTTP port, apart from what peers reach. */
export async function startHealthServer(options: HealthServerOptions): Promise<HealthServer> {
  const { health, registry, port, host = '0.0.0.0', logger, pages = {} } = options;
  const app: INestApplication = await NestFactory.create(HealthModule.with(health, registry), {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  for (const [path, page] of Object.entries(pages)) {
    app.use(path, (_request: unknown, response: ServerResponse) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(page()));
    });
  }
  await app.listen(port, host);
  const server = app.getHttpServer() as { address(): AddressInfo; closeAllConnections(): void };
  return {
    port: server.address().port,
    close: async () => {
      server.closeAllConnections();
      await app.close();
    },
  };
}
