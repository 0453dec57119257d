import { PassportStrategy } from '@nestjs/passport';
import { decodeProtectedHeader } from 'jose';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { Request } from 'express';
import type { Scope, TrustedPeer, TrustRegistry } from '#model';
import { verifyToken } from '#trust';
import type { TokenClaims } from '#trust';
import { Refusal } from './refusal.js';

/** docs/protocol.md, "Limits". */
const largestTokenBytes = 8 * 1024;
const ownAlgorithms: readonly string[] = ['EdDSA'];

/** What a request has proved. */
export interface VerifiedPeer {
  readonly peer: TrustedPeer;
  readonly claims: TokenClaims;
}

/** What the verifier needs to know besides the token; handed through passport-jwt in the place of a key. */
export interface Expectation {
  readonly registry: TrustRegistry;
  readonly audience: string | undefined;
  readonly scope: Scope;
  /** Unix milliseconds. */
  readonly now: number;
}

/** A request that knows which scope its route asks for. */
export interface ScopedRequest extends Request {
  requiredScope?: Scope;
}

/** Judges a token, rejects with a `Refusal`; passport-jwt calls it instead of jsonwebtoken, which knows no EdDSA. */
export async function judgeToken(
  raw: string,
  expectation: Expectation,
  algorithms = ownAlgorithms,
): Promise<VerifiedPeer> {
  const { registry, audience, scope, now } = expectation;
  if (audience === undefined) throw new Refusal(503, 'not-ready', 'this cluster has no identity yet; try again');
  if (raw.length > largestTokenBytes)
    throw new Refusal(431, 'too-large', `token: longer than ${largestTokenBytes} bytes`);
  const verdict = await verifyToken(raw, registry, { audience, scope, now });
  if (verdict.ok) return { peer: verdict.peer, claims: verdict.claims };
  if (algorithmIsWrong(raw, algorithms)) {
    throw new Refusal(401, 'algorithm', `token: alg must be ${algorithms.join(' or ')}`);
  }
  throw new Refusal(verdict.status, verdict.reason, verdict.message, verdict);
}

/** A readable token of another algorithm is no malformed one: it fails to authenticate (docs/protocol.md, "Answers"). */
function algorithmIsWrong(raw: string, algorithms: readonly string[]): boolean {
  try {
    const { alg } = decodeProtectedHeader(raw);
    return alg !== undefined && !algorithms.includes(alg);
  } catch {
    return false;
  }
}

interface VerifierOptions {
  readonly algorithms?: readonly string[];
}
type Done = (error: unknown, verified?: VerifiedPeer) => void;
type VerifierHook = (raw: string, expectation: Expectation, options: VerifierOptions, done: Done) => void;

const verifierHook: VerifierHook = (raw, expectation, { algorithms = ownAlgorithms }, done) => {
  judgeToken(raw, expectation, algorithms).then((verified) => done(null, verified), done);
};

// The hook is static in passport-jwt: set here, once, for the whole process.
(Strategy as unknown as { JwtVerifier: VerifierHook }).JwtVerifier = verifierHook;

export const peerStrategyName = 'peer';

/** Bearer tokens of peers. Only the form is passport's business: identity comes from `verifyToken` in libs/trust. */
export class PeerStrategy extends PassportStrategy(Strategy, peerStrategyName) {
  constructor(expect: (scope: Scope) => Expectation) {
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      algorithms: [...ownAlgorithms],
      passReqToCallback: true,
      secretOrKeyProvider: (
        request: ScopedRequest,
        _raw: string,
        done: (error: unknown, expectation?: Expectation) => void,
      ) => {
        if (request.requiredScope === undefined) done(new Error('a guarded route must name its scope'));
        else done(null, expect(request.requiredScope));
      },
    } as never);
  }

  validate(_request: Request, verified: VerifiedPeer): VerifiedPeer {
    return verified;
  }
}
