import { Controller, Get, Inject, Module, Res, type DynamicModule } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { HealthModule, type Health, type Registry } from '#platform';
import type { ProxyStream } from '../discovery/proxy-stream.js';
import type { ModelVersion } from '../index/mesh-index.js';
import type { RemoteState } from '../registries/remote-clusters.js';
import { clusterz, configz, registryz, syncz } from './debug-pages.js';

/** What the debug pages look at. */
export abstract class DebugSources {
  abstract streams(): Iterable<ProxyStream>;
  abstract current(): ModelVersion | undefined;
  abstract remotes(): readonly RemoteState[];
}

/** State of the mesh core as JSON, under istiod's paths. Readable by whoever reaches the port; there are no secrets in it. */
@Controller('debug')
export class DebugController {
  constructor(@Inject(DebugSources) private readonly sources: DebugSources) {}

  @Get('syncz')
  syncz(@Res() response: ServerResponse): void {
    json(response, syncz(this.sources.streams(), this.sources.current()));
  }

  @Get('registryz')
  registryz(@Res() response: ServerResponse): void {
    const current = this.sources.current();
    json(response, current === undefined ? [] : registryz(current.model));
  }

  @Get('clusterz')
  clusterz(@Res() response: ServerResponse): void {
    json(response, clusterz(this.sources.current(), this.sources.remotes()));
  }

  @Get('configz')
  configz(@Res() response: ServerResponse): void {
    const current = this.sources.current();
    json(response, current === undefined ? {} : configz(current.model));
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value, undefined, 1));
}

@Module({})
export class MonitoringModule {
  static with(health: Health, registry: Registry, sources: DebugSources): DynamicModule {
    return {
      module: MonitoringModule,
      imports: [HealthModule.with(health, registry)],
      controllers: [DebugController],
      providers: [{ provide: DebugSources, useValue: sources }],
    };
  }
}
