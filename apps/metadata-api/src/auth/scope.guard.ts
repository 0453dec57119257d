import { Inject, Injectable, SetMetadata } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { Scope } from '#model';
import type { DoorMetrics } from '../metrics.js';
import { admit } from './admit.js';
import type { AdmitParts } from './admit.js';
import { peerStrategyName } from './peer-strategy.js';
import type { ScopedRequest, VerifiedPeer } from './peer-strategy.js';
import { Refusal } from './refusal.js';

const scopeKey = 'scope';

/** Names the scope that a route asks for. */
export const RequireScope = (scope: Scope): MethodDecorator & ClassDecorator => SetMetadata(scopeKey, scope);

/** Provider token of `ScopeGuardParts`. */
export const scopeGuardParts = Symbol('ScopeGuardParts');

export interface ScopeGuardParts extends AdmitParts {
  readonly reflector: Reflector;
  readonly metrics: DoorMetrics;
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
    await admit(this.#parts, request.user as VerifiedPeer);
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
}
