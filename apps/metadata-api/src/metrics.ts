import { Counter, Gauge, Histogram } from '#platform';
import type { Registry } from '#platform';
import type { Store } from '#store';

/** Everything the door counts; listed in docs/operations.md. */
export interface DoorMetrics {
  readonly requests: Counter<'route' | 'status'>;
  readonly refusals: Counter<'reason'>;
  readonly duration: Histogram<'route'>;
  readonly documentsStreamed: Counter;
  readonly replayMemoryOnly: Counter;
  readonly auditUnidentified: Counter;
}

export function doorMetrics(registry: Registry, store: Store, openStreams: () => number): DoorMetrics {
  const registers = [registry];
  const watched = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
  watched('isthmus_door_streams', 'open document streams', openStreams);
  watched('isthmus_store_available', '1 when the store answers', () => (store.available() ? 1 : 0));
  watched('isthmus_store_audit_waiting', 'audit rows not yet written', () => store.stats().auditWaiting);
  watched('isthmus_store_audit_dropped', 'audit rows given up', () => store.stats().auditDropped);
  return {
    requests: new Counter({
      name: 'isthmus_door_requests_total',
      help: 'answers by route and status',
      labelNames: ['route', 'status'],
      registers,
    }),
    refusals: new Counter({
      name: 'isthmus_door_refusals_total',
      help: 'refused requests by reason',
      labelNames: ['reason'],
      registers,
    }),
    duration: new Histogram({
      name: 'isthmus_door_request_seconds',
      help: 'time to the end of an answer, streams apart',
      labelNames: ['route'],
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    }),
    documentsStreamed: new Counter({
      name: 'isthmus_door_documents_streamed_total',
      help: 'documents sent over streams',
      registers,
    }),
    replayMemoryOnly: new Counter({
      name: 'isthmus_door_replay_memory_only_total',
      help: 'tokens accepted on this process memory alone because the store did not answer',
      registers,
    }),
    auditUnidentified: new Counter({
      name: 'isthmus_door_audit_unidentified_skipped_total',
      help: 'refusals of unidentified callers that left no audit row, to bound the log',
      registers,
    }),
  };
}
