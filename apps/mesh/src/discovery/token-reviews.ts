import { createHash } from 'node:crypto';
import { isFields, parsedJson } from '#model';
import type { Clock } from '#model';

/** A workload as its service account token proves it. */
export interface WorkloadIdentity {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Outcome of looking at a token. `unavailable` is our fault, not the caller's. */
export type Review =
  | { readonly kind: 'authenticated'; readonly identity: WorkloadIdentity }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Asks the authority about one token; throws when it cannot be reached. */
export type AskAuthority = (token: string) => Promise<Exclude<Review, { kind: 'unavailable' }>>;

interface Remembered {
  readonly review: Review;
  readonly until: number;
  /** While the authority cannot be reached, an identity seen before counts until then. */
  readonly atMost: number;
}

const acceptedForMs = 60_000;
const refusedForMs = 5_000;
const graceMs = 10 * 60_000;
const mostRemembered = 20_000;

/**
 * Token reviews remembered by the token's hash, never the token: a thousand streams with one token cost one review. An
 * accepted token is asked about again after a minute, at its own end at the latest.
 */
export class TokenReviews {
  readonly #ask: AskAuthority;
  readonly #clock: Clock;
  readonly #remembered = new Map<string, Remembered>();
  readonly #asking = new Map<string, Promise<Review>>();

  constructor(ask: AskAuthority, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  async review(token: string): Promise<Review> {
    const key = createHash('sha256').update(token).digest('base64');
    const known = this.#remembered.get(key);
    if (known !== undefined && known.until > this.#clock.now()) return known.review;
    const asked = this.#asking.get(key) ?? this.#askOnce(key, token, known);
    return asked;
  }

  #askOnce(key: string, token: string, known: Remembered | undefined): Promise<Review> {
    const asked = this.#answer(key, token, known).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asked);
    return asked;
  }

  async #answer(key: string, token: string, known: Remembered | undefined): Promise<Review> {
    try {
      const review = await this.#ask(token);
      this.#remember(key, review, endOf(token));
      return review;
    } catch (error) {
      const stillGood = known?.review.kind === 'authenticated' && known.atMost > this.#clock.now();
      if (stillGood) return known.review;
      return { kind: 'unavailable', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  #remember(key: string, review: Review, end: number): void {
    const now = this.#clock.now();
    this.#remembered.delete(key);
    const accepted = review.kind === 'authenticated';
    this.#remembered.set(key, {
      review,
      until: Math.min(now + (accepted ? acceptedForMs : refusedForMs), accepted ? end : Infinity),
      atMost: accepted ? Math.min(now + graceMs, end) : now,
    });
    if (this.#remembered.size <= mostRemembered) return;
    const oldest = this.#remembered.keys().next();
    if (oldest.done !== true) this.#remembered.delete(oldest.value);
  }
}

/** `exp` of a JWT in Unix milliseconds, unverified: it may only shorten how long a review counts. */
function endOf(token: string): number {
  const body = parsedJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  return isFields(body) && typeof body['exp'] === 'number' ? body['exp'] * 1000 : Infinity;
}
