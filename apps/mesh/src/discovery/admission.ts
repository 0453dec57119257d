import { Metadata, status as grpcStatus } from '@grpc/grpc-js';
import type { ProxyNode } from '#xds';
import type { Review, TokenReviews, WorkloadIdentity } from './token-reviews.js';

/** A call that is not served: gRPC status code and what to do about it. */
export interface Refused {
  readonly code: grpcStatus;
  readonly details: string;
}

export type Caller =
  | { readonly ok: true; readonly identity: WorkloadIdentity | undefined }
  | { readonly ok: false; readonly refused: Refused };

/** Identity of a caller from `authorization: Bearer <service account token>`. */
export async function callerOf(metadata: Metadata, reviews: TokenReviews): Promise<Caller> {
  const [header] = metadata.get('authorization');
  const token = /^Bearer\s+(\S+)$/i.exec(typeof header === 'string' ? header : '')?.[1];
  if (token === undefined) {
    return refused(
      grpcStatus.UNAUTHENTICATED,
      'no bearer token: send a service account token with audience istio-ca in metadata "authorization"',
    );
  }
  return judged(await reviews.review(token));
}

function judged(review: Review): Caller {
  switch (review.kind) {
    case 'authenticated':
      return { ok: true, identity: review.identity };
    case 'refused':
      return refused(grpcStatus.UNAUTHENTICATED, review.reason);
    case 'unavailable':
      return refused(grpcStatus.UNAVAILABLE, `the token cannot be reviewed now: ${review.reason}`);
  }
}

function refused(code: grpcStatus, details: string): Caller {
  return { ok: false, refused: { code, details } };
}

/** A proxy may only be served what belongs to the identity that it proved: no reading another namespace's view. */
export function mismatch(identity: WorkloadIdentity, node: ProxyNode): Refused | undefined {
  const { namespace, serviceAccount } = identity;
  const sameAccount = node.serviceAccount === '' || node.serviceAccount === serviceAccount;
  if (node.namespace === namespace && sameAccount) return undefined;
  return {
    code: grpcStatus.PERMISSION_DENIED,
    details: `node ${node.id} says namespace ${node.namespace}, service account ${node.serviceAccount}; its token is of ${namespace}/${serviceAccount}`,
  };
}
