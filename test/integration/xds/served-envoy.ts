import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Resource } from '#proto';
import { AdsServer } from './ads-server.js';
import { type RunningEnvoy, serving, startEnvoy } from './envoy.js';

/** A real Envoy and the server that tells it everything; what began to start is stopped, too. */
export class ServedEnvoy {
  readonly #ads = new AdsServer();
  readonly #nodeId: string;
  readonly #drainSeconds: number;
  #running: RunningEnvoy | undefined;
  #folder: string | undefined;

  constructor(nodeId: string, drainSeconds = 1) {
    this.#nodeId = nodeId;
    this.#drainSeconds = drainSeconds;
  }

  /** Replaces what Envoy is told; what it is to start with comes before `start`. */
  serve(resources: readonly Resource[], secrets: readonly Resource[]): void {
    this.#ads.serve(resources, secrets);
  }

  async start(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'isthmus-envoy-'));
    this.#running = await startEnvoy(this.#folder, this.#nodeId, await this.#ads.start(), this.#drainSeconds);
    await serving(this.#running);
  }

  async stop(graceMs?: number): Promise<void> {
    await this.#running?.child.stop(graceMs);
    this.#ads.stop();
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }

  get running(): RunningEnvoy {
    if (this.#running === undefined) throw new Error('this Envoy was not started');
    return this.#running;
  }

  /** What Envoy refused of what it was told. */
  get refusals(): readonly string[] {
    return this.#ads.refusals;
  }
}
