import type { KubeClient } from '#kube';
import type { Clock } from '#model';
import type { Logger } from '#platform';
import type { Scheduler } from '#reconcile';
import type { ControllerConfig } from './config.js';
import type { ControllerMetrics } from './metrics.js';
import type { History } from './peer/history.js';
import type { World } from './world.js';

/** What a term as leader works with, and what outlives it. */
export interface TermPorts {
  readonly client: KubeClient;
  readonly world: World;
  readonly config: ControllerConfig;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly metrics: ControllerMetrics;
  readonly history: History;
}
