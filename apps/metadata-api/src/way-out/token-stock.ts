import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { issueToken } from '#trust';
import type { TokenKey } from './signing-keys.js';

/** A token signed ahead is given out no later than so: what is left of its minute is for both clocks and the way. */
const freshMs = 5_000;

/** What a token is to say; it is for the API of that cluster. */
export interface TokenWish {
  readonly key: TokenKey;
  /** Our own cluster UUID. */
  readonly subject: string;
  /** Cluster UUID of the peer. */
  readonly audience: string;
}

interface Ahead {
  readonly wish: TokenWish;
  readonly signedAt: number;
  readonly token: Promise<string>;
}

/** Tokens for one peer, each of them given out once. One is signed ahead after each, so that the next request need not wait for it. */
export class TokenStock {
  readonly #now: () => number;
  #ahead: Ahead | undefined;

  /** `now` in Unix milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A token with an id of its own, signed within the last five seconds by just this key. */
  take(wish: TokenWish): Promise<string> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const { token } = ahead !== undefined && this.#serves(ahead, wish) ? ahead : this.#sign(wish);
    // Of many that ask at once one is enough.
    setImmediate(() => (this.#ahead ??= this.#sign(wish)));
    return token;
  }

  #serves({ wish, signedAt }: Ahead, wanted: TokenWish): boolean {
    const age = this.#now() - signedAt;
    return age >= 0 && age < freshMs && isDeepStrictEqual(wish, wanted);
  }

  #sign(wish: TokenWish): Ahead {
    const { key, ...about } = wish;
    const signedAt = this.#now();
    const { privatePem, kid } = key;
    const token = issueToken({ ...about, privatePem, kid, scope: 'api', now: signedAt, jti: randomUUID() });
    // Nobody may ever ask for it; whoever does is told.
    token.catch(() => undefined);
    return { wish, signedAt, token };
  }
}
