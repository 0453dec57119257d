import type { ReplayRecord } from '#store';
import { StoreUnavailableError } from '#store';

/** How long the store may take before the answer goes on with this process's memory alone. */
const storePatienceMs = 1_000;
/** How long a store that took too long is not asked: else every request would wait as long. */
const storeRestMs = 5_000;
const sweepEveryMs = 10_000;

/** What a token id turned out to be; `memory-only` = new here, but other replicas could not be asked. */
export type TokenUse = 'first' | 'first-memory-only' | 'replayed';

/** Used token ids: this process's memory decides at once, the store afterwards for all replicas. Times in Unix seconds. */
export class UsedTokens {
  readonly #record: ReplayRecord;
  readonly #now: () => number;
  readonly #memory = new Map<string, number>();
  #sweptAt = 0;
  #restingUntil = 0;

  /** `now` in Unix milliseconds. */
  constructor(record: ReplayRecord, now: () => number) {
    this.#record = record;
    this.#now = now;
  }

  get size(): number {
    return this.#memory.size;
  }

  /** Marks a token id as used until `expiresAt`; undefined = this process has seen it before. Never rejects for a store that is away. */
  claim(sub: string, jti: string, expiresAt: number): Promise<TokenUse> | undefined {
    this.#sweep();
    const key = JSON.stringify([sub, jti]);
    if (this.#memory.has(key)) return undefined;
    this.#memory.set(key, expiresAt);
    return this.#askStore(sub, jti, expiresAt);
  }

  async #askStore(sub: string, jti: string, expiresAt: number): Promise<TokenUse> {
    try {
      return (await this.#ask(sub, jti, expiresAt)) ? 'first' : 'replayed';
    } catch (error) {
      if (error instanceof StoreUnavailableError) return 'first-memory-only';
      throw error;
    }
  }

  async #ask(sub: string, jti: string, expiresAt: number): Promise<boolean> {
    if (this.#now() < this.#restingUntil) throw new StoreUnavailableError('store: no answer in time a moment ago');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        this.#restingUntil = this.#now() + storeRestMs;
        reject(new StoreUnavailableError('store: no answer in time'));
      }, storePatienceMs);
    });
    try {
      return await Promise.race([this.#record.accept(sub, jti, expiresAt), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #sweep(): void {
    const now = this.#now();
    if (now - this.#sweptAt < sweepEveryMs) return;
    this.#sweptAt = now;
    for (const [key, expiresAt] of this.#memory) if (expiresAt * 1000 < now) this.#memory.delete(key);
  }
}
