import { Counter, Gauge } from '#platform';
import type { Registry } from '#platform';
import type { OpenRequests } from './open-requests.js';

/** What the way out counts; listed in docs/operations.md. */
export interface WayOutMetrics {
  readonly requests: Counter<'peer' | 'verb' | 'status'>;
  readonly bytes: Counter<'peer'>;
  readonly ends: Counter<'end'>;
}

export function wayOutMetrics(registry: Registry, open: OpenRequests): WayOutMetrics {
  const registers = [registry];
  for (const watch of [true, false]) {
    new Gauge({
      name: watch ? 'isthmus_way_out_watches' : 'isthmus_way_out_requests_open',
      help: watch ? 'open watches of local readers' : 'other requests of local readers under way',
      registers,
      collect() {
        this.set(open.count(watch));
      },
    });
  }
  return {
    requests: new Counter({
      name: 'isthmus_way_out_requests_total',
      help: 'answers to local readers by peer, verb and status (none = refused before it was known)',
      labelNames: ['peer', 'verb', 'status'],
      registers,
    }),
    bytes: new Counter({
      name: 'isthmus_way_out_bytes_total',
      help: 'bytes passed on to local readers',
      labelNames: ['peer'],
      registers,
    }),
    ends: new Counter({
      name: 'isthmus_way_out_ends_total',
      help: 'how answers ended',
      labelNames: ['end'],
      registers,
    }),
  };
}
