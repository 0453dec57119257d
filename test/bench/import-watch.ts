import { setTimeout as pause } from 'node:timers/promises';
import type { ServiceEntry } from '#istio-api';
import { Informer, resources, silentLogger } from '#kube';
import type { ApiObject, KubeClient } from '#kube';

const slowestMs = 120_000;

/** What a bystander of the API server sees of the imports: how many there are, and when a port first showed. */
export class ImportWatch {
  readonly #entries: Informer<ServiceEntry & ApiObject>;
  readonly #stopped = new AbortController();
  readonly #waiting = new Map<number, (at: number) => void>();

  constructor(client: KubeClient) {
    this.#entries = new Informer<ServiceEntry & ApiObject>({
      client,
      resource: resources.serviceEntries,
      logger: silentLogger,
      transform: ({ metadata, spec }) => ({ metadata: { ...metadata }, spec: { ports: spec?.ports } }) as never,
    });
    this.#entries.onChange((_key, entry) => {
      for (const { number } of entry?.spec?.ports ?? []) this.#waiting.get(number)?.(now());
    });
  }

  async start(): Promise<void> {
    this.#entries.start(this.#stopped.signal);
    await this.#entries.synced;
  }

  stop(): Promise<void> {
    this.#stopped.abort();
    return Promise.resolve();
  }

  /** Resolves when so many imports stand; `why` is asked when no more come. */
  async all(count: number, say: (line: string) => void, why: () => Promise<string>): Promise<void> {
    let last = 0;
    let moved = performance.now();
    let told = performance.now();
    for (;;) {
      const { objects } = this.#entries.stats;
      if (objects >= count) return;
      if (objects !== last) moved = performance.now();
      last = objects;
      if (performance.now() - moved > slowestMs)
        throw new Error(`${objects} of ${count} imports, and no more for two minutes: ${await why()}`);
      if (performance.now() - told > 2000) {
        told = performance.now();
        say(`${objects} of ${count} imports`);
      }
      await pause(20);
    }
  }

  /** Resolves with the time (Unix ms) at which an import with this port was first seen; each port is asked for once. */
  port(number: number): Promise<number> {
    return new Promise((done, fail) => {
      const timer = setTimeout(
        () => fail(new Error(`no import showed port ${number} within ${slowestMs / 1000} s`)),
        slowestMs,
      );
      this.#waiting.set(number, (at) => {
        clearTimeout(timer);
        this.#waiting.delete(number);
        done(at);
      });
    });
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
