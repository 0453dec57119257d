import { Counter, Gauge, Histogram } from '#platform';
import type { Registry } from '#platform';
import type { OpenReplies } from './open-replies.js';

/** What the API proxy counts; listed in docs/operations.md. */
export interface ApiProxyMetrics {
  readonly requests: Counter<'verb' | 'status'>;
  readonly bytes: Counter<'verb'>;
  readonly duration: Histogram<'verb'>;
  readonly ends: Counter<'end'>;
}

export function apiProxyMetrics(registry: Registry, open: OpenReplies): ApiProxyMetrics {
  const registers = [registry];
  for (const watch of [true, false]) {
    new Gauge({
      name: watch ? 'isthmus_door_api_watches' : 'isthmus_door_api_requests_open',
      help: watch ? 'open watches of peers' : 'other requests of peers under way',
      registers,
      collect() {
        this.set(open.count(watch));
      },
    });
  }
  return {
    requests: new Counter({
      name: 'isthmus_door_api_requests_total',
      help: 'answers of the API proxy by verb (none = refused before it was known) and status',
      labelNames: ['verb', 'status'],
      registers,
    }),
    bytes: new Counter({
      name: 'isthmus_door_api_bytes_total',
      help: 'bytes passed on to peers',
      labelNames: ['verb'],
      registers,
    }),
    duration: new Histogram({
      name: 'isthmus_door_api_seconds',
      help: 'time to the end of an answer, watches apart',
      labelNames: ['verb'],
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
      registers,
    }),
    ends: new Counter({
      name: 'isthmus_door_api_ends_total',
      help: 'how answers ended',
      labelNames: ['end'],
      registers,
    }),
  };
}
