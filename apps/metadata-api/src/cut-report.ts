import { EventWriter } from '#kube';
import type { KubeClient } from '#kube';
import { counted, peerKey } from '#model';
import type { PeerRef } from '#model';
import type { Logger } from '#platform';

/** Kinds of open exchange that end with a peer's trust. */
export type Cut = 'stream' | 'watch' | 'request';

export interface CutReportOptions {
  readonly client: KubeClient;
  /** This replica's name among the others. */
  readonly podName: string;
  readonly logger: Logger;
}

/** What ends together is said together. */
const gatherMs = 500;

/** Says what was cut when a peer lost its trust (trust rule 10): one Event on its resource, and a line in the log, for each replica. */
export class CutReport {
  readonly #options: CutReportOptions;
  readonly #open = new Map<string, { readonly peer: PeerRef; readonly counts: Record<Cut, number> }>();

  constructor(options: CutReportOptions) {
    this.#options = options;
  }

  note(peer: PeerRef, cut: Cut): void {
    const key = peerKey(peer);
    const known = this.#open.get(key);
    const entry = known ?? { peer: { kind: peer.kind, name: peer.name }, counts: { stream: 0, watch: 0, request: 0 } };
    entry.counts[cut] += 1;
    if (known !== undefined) return;
    this.#open.set(key, entry);
    setTimeout(() => this.#say(key), gatherMs).unref();
  }

  #say(key: string): void {
    const entry = this.#open.get(key);
    if (entry === undefined) return;
    this.#open.delete(key);
    const { peer, counts } = entry;
    const { client, podName, logger } = this.#options;
    const { stream, watch, request } = counts;
    const note = `metadata-api ${podName} closed ${counted(stream, 'stream')}, ${counted(watch, 'watch', 'watches')} and ${counted(request, 'request')} of this peer, which is no longer trusted`;
    logger.info({ peer: key, ...counts }, 'a peer lost its trust: what it held open was closed');
    const object = { apiVersion: 'isthmus.dev/v1alpha1', kind: peer.kind, metadata: { name: peer.name } };
    // A writer of its own for each: a repeated note would be a patch of the first, a right that is not needed otherwise.
    const writer = new EventWriter({ client, controller: 'isthmus.dev/metadata-api', instance: podName, logger });
    writer.write(object, { type: 'Normal', reason: 'Revoked', action: 'CloseConnections', note });
  }
}
