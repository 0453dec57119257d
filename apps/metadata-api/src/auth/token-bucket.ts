import type { RateLimit } from '../config.js';

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets by key, in bounded memory; the least recently used key is forgotten first. Times in milliseconds. */
export class TokenBuckets {
  readonly #limit: RateLimit;
  readonly #mostKeys: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: RateLimit, mostKeys = 10_000) {
    this.#limit = limit;
    this.#mostKeys = mostKeys;
  }

  /** Takes one token. Answers 0, or the seconds until there is one again. */
  take(key: string, now: number): number {
    const { perSecond, burst } = this.#limit;
    const known = this.#buckets.get(key);
    const bucket = known ?? { tokens: burst, at: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    this.#forgetOldest();
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond));
    bucket.tokens -= 1;
    return 0;
  }

  #forgetOldest(): void {
    if (this.#buckets.size <= this.#mostKeys) return;
    const oldest = this.#buckets.keys().next();
    if (!oldest.done) this.#buckets.delete(oldest.value);
  }
}

/** Key of a source: an IPv4 address, or the /64 of an IPv6 one (whoever has one address of it has them all). */
export function sourceKey(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::', 2);
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
