import type { Clock } from '#model';
import type { Logger } from '#platform';
import type { Outgoing, Reading } from '#xds';
import type { ModelVersion } from '../index/mesh-index.js';
import { typeWord, type MeshMetrics } from '../monitoring/metrics.js';
import type { ProxyStream, StreamObserver } from './proxy-stream.js';

export interface StreamLogOptions {
  readonly logger: Logger;
  readonly metrics: MeshMetrics;
  readonly clock: Clock;
  readonly current: () => ModelVersion | undefined;
}

/** Puts what happens on streams into metrics and log lines. */
export class StreamLog implements StreamObserver {
  readonly #options: StreamLogOptions;
  #open = 0;

  constructor(options: StreamLogOptions) {
    this.#options = options;
  }

  opened(_stream: ProxyStream): void {
    this.#open += 1;
    this.#options.metrics.streams(this.#open);
  }

  gone(stream: ProxyStream): void {
    this.#open -= 1;
    this.#options.metrics.streams(this.#open);
    this.#options.logger.debug({ proxy: nameOf(stream) }, 'stream ended');
  }

  sent(stream: ProxyStream, outgoing: Outgoing, bytes: number): void {
    const { typeUrl, resources, removed, nonce } = outgoing;
    this.#options.metrics.sent(outgoing, bytes);
    this.#options.logger.debug(
      {
        proxy: nameOf(stream),
        type: typeWord(typeUrl),
        nonce,
        resources: resources.length,
        removed: removed.length,
        bytes,
      },
      'response sent',
    );
  }

  read(stream: ProxyStream, typeUrl: string, reading: Reading, error: string | undefined): void {
    this.#options.metrics.read(typeUrl, reading);
    if (reading === 'nack') {
      this.#options.logger.warn(
        { proxy: nameOf(stream), type: typeWord(typeUrl), why: error },
        'a proxy refused what it was sent and keeps what it had',
      );
    }
  }

  settled(_stream: ProxyStream, generation: number): void {
    const current = this.#options.current();
    // The first model has no change to count from; older ones have been merged into the newest.
    if (current === undefined || generation !== current.generation || generation === 1) return;
    this.#options.metrics.converged(this.#options.clock.now() - current.changedAt);
  }
}

function nameOf({ node }: ProxyStream): string {
  return node === undefined ? '(not introduced)' : `${node.podName}.${node.namespace}`;
}
