import { Counter, Gauge, Histogram } from '#platform';
import type { Registry } from '#platform';
import type { PeerPublication } from './publication/peer-publication.js';

/** What the controller counts; names are listed in docs/operations.md. */
export interface ControllerMetrics {
  reconciled(key: string, outcome: string): void;
  published(seconds: number, perPeer: ReadonlyMap<string, PeerPublication>): void;
  /** By peer key: services that stand here, after a pass and after each batch that is written. */
  imported(standing: ReadonlyMap<string, number>): void;
  leading(isLeader: boolean): void;
}

export function createMetrics(registry: Registry): ControllerMetrics {
  const registers = [registry];
  const reconciles = new Counter({
    name: 'isthmus_reconcile_total',
    help: 'Reconciles by loop and outcome',
    labelNames: ['loop', 'outcome'],
    registers,
  });
  const passes = new Histogram({
    name: 'isthmus_publication_seconds',
    help: 'Time of one publication pass',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  });
  const services = new Gauge({
    name: 'isthmus_peer_services',
    help: 'Services per peer and direction',
    labelNames: ['peer', 'direction'],
    registers,
  });
  const trusted = new Gauge({
    name: 'isthmus_peer_trusted',
    help: '1 while the peer is trusted',
    labelNames: ['peer'],
    registers,
  });
  const leader = new Gauge({ name: 'isthmus_leader', help: '1 while this replica leads', registers });
  return {
    reconciled: (key, outcome) => reconciles.inc({ loop: key.split('/')[0] ?? key, outcome }),
    published: (seconds, perPeer) => {
      passes.observe(seconds);
      services.reset();
      trusted.reset();
      for (const [peer, publication] of perPeer) {
        services.set({ peer, direction: 'exported' }, publication.exported);
        trusted.set({ peer }, publication.trusted ? 1 : 0);
      }
    },
    imported: (standing) => standing.forEach((count, peer) => services.set({ peer, direction: 'imported' }, count)),
    leading: (isLeader) => {
      leader.set(isLeader ? 1 : 0);
      if (isLeader) return;
      // Of peers only the leader knows.
      services.reset();
      trusted.reset();
    },
  };
}
