import 'reflect-metadata';
import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { APP_FILTER, Reflector } from '@nestjs/core';
import { PassportModule } from '@nestjs/passport';
import { Health } from '#platform';
import type { Logger, Registry } from '#platform';
import type { Store } from '#store';
import { Auditor } from './audit.js';
import { PeerStrategy } from './auth/peer-strategy.js';
import { scopeGuardParts } from './auth/scope.guard.js';
import type { ScopeGuardParts } from './auth/scope.guard.js';
import { TokenBuckets } from './auth/token-bucket.js';
import { UsedTokens } from './auth/used-tokens.js';
import type { DoorConfig } from './config.js';
import type { CutReport } from './cut-report.js';
import { Knowledge } from './documents/knowledge.js';
import { ErrorFilter } from './http/error-filter.js';
import type { EntryParts } from './http/entry.js';
import { doorMetrics } from './metrics.js';
import { StreamRegister } from './private/document-stream.js';
import { PrivateController } from './private/private.controller.js';
import { Streaming } from './private/streaming.js';
import { PublicController } from './public/public.controller.js';

/** What the module is made of; built outside, so that specs bring their own. */
export interface DoorParts {
  readonly config: DoorConfig;
  readonly knowledge: Knowledge;
  readonly store: Store;
  readonly cuts: CutReport;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly health: Health;
}

/** Ports and adapters of the door, wired. */
export interface Wiring {
  readonly module: DynamicModule;
  readonly entry: EntryParts;
  readonly streams: StreamRegister;
}

@Module({})
export class AppModule {}

/** The only wiring of this app. */
export function wire(parts: DoorParts): Wiring {
  const { config, knowledge, store, cuts, logger, registry, health } = parts;
  const now = Date.now;
  const draining = (): boolean => health.draining;
  const streams = new StreamRegister(config.streamsPerPeer);
  const metrics = doorMetrics(registry, store, () => streams.size);
  const auditor = new Auditor(store.audit, metrics, now);
  const usedTokens = new UsedTokens(store.replay, now);
  const peerBuckets = new TokenBuckets(config.peerLimit);
  const strategy = new PeerStrategy((scope) => ({
    registry: knowledge.registry,
    audience: knowledge.clusterUUID,
    scope,
    now: now(),
  }));
  const streaming = new Streaming({
    knowledge,
    register: streams,
    auditor,
    metrics,
    cuts,
    draining,
    lifeMs: config.streamLifeMs,
  });
  const module: DynamicModule = {
    module: AppModule,
    imports: [PassportModule],
    controllers: [PublicController, PrivateController],
    providers: [
      { provide: Knowledge, useValue: knowledge },
      { provide: Streaming, useValue: streaming },
      { provide: PeerStrategy, useValue: strategy },
      {
        provide: scopeGuardParts,
        inject: [Reflector],
        useFactory: (reflector: Reflector): ScopeGuardParts => ({ reflector, usedTokens, peerBuckets, metrics, now }),
      },
      { provide: APP_FILTER, useValue: new ErrorFilter(logger, metrics) },
    ],
  };
  const sourceBuckets = new TokenBuckets(config.sourceLimit);
  return { module, streams, entry: { sourceBuckets, metrics, auditor, draining, now } };
}
