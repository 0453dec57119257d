import { Inject, Injectable, SetMetadata } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { peerKey } from '#model';
import type { Scope } from '#model';
import { tokenSkewSeconds } from '#trust';
import type { DoorMetrics } from '../metrics.js';
import { peerStrategyName } from './peer-strategy.js';
import type { ScopedRequest, VerifiedPeer } from './peer-strategy.js';
import { Refusal } from './refusal.js';
import type { TokenBuckets } from './token-bucket.js';
import type { UsedTokens } from './used-tokens.js';

const scopeKey = 'scope';

/** Names the scope that a route asks for. */
export const RequireScope = (scope: Scope): MethodDecorator & ClassDecorator => SetMetadata(scopeKey, scope);

/** Provider token of `ScopeGuardParts`. */
export const scopeGuardParts = Symbol('ScopeGuardParts');

export interface ScopeGuardParts {
  readonly reflector: Reflector;
  readonly usedTokens: UsedTokens;
  readonly peerBuckets: TokenBuckets;
  readonly metrics: DoorMetrics;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Lets in whoever proves to be a trusted peer with the route's scope: token, then the peer's own limit, then the replay record. */
@Injectable()
export class ScopeGuard extends AuthGuard(peerStrategyName) implements CanActivate {
  readonly #parts: ScopeGuardParts;

  constructor(@Inject(scopeGuardParts) parts: ScopeGuardParts) {
    super();
    this.#parts = parts;
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<ScopedRequest>();
    request.requiredScope = this.#parts.reflector.get<Scope>(scopeKey, context.getHandler());
    await super.canActivate(context);
    await this.#admit(request.user as VerifiedPeer);
    return true;
  }

  /** Passport's outcome: `info` is what the verifier threw, or "no token". */
  override handleRequest<T>(error: unknown, user: T | false | null, info: unknown): T {
    if (user) return user;
    const cause = error ?? info;
    if (cause instanceof Refusal) throw cause;
    if (error instanceof Error) throw error;
    throw new Refusal(401, 'no-token', 'send "Authorization: Bearer <token>"');
  }

  async #admit({ peer, claims }: VerifiedPeer): Promise<void> {
    const { peerBuckets, usedTokens, metrics, now } = this.#parts;
    const wait = peerBuckets.take(peerKey(peer), now());
    if (wait > 0) {
      throw new Refusal(429, 'peer-limit', 'too many requests of this peer', { peer, retryAfterSeconds: wait });
    }
    if (claims.jti === undefined) return;
    const use = await usedTokens.use(claims.sub, claims.jti, claims.exp + tokenSkewSeconds);
    if (use === 'replayed') {
      throw new Refusal(401, 'replayed', 'token: this jti was used before; issue one token for each request', { peer });
    }
    if (use === 'first-memory-only') metrics.replayMemoryOnly.inc();
  }
}
