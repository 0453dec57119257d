import type { KubeClient } from '#kube';
import type { AskAuthority } from './token-reviews.js';

/** Audience that a workload's token must carry (Istio's agents ask the kubelet for it). */
export const tokenAudience = 'istio-ca';

interface TokenReview {
  readonly apiVersion: string;
  readonly kind: string;
  readonly status?: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string };
    readonly error?: string;
  };
}

const serviceAccountUser = /^system:serviceaccount:([^:]+):([^:]+)$/;

/** The cluster's own API server as judge of service account tokens (TokenReview). */
export function clusterTokenAuthority(client: KubeClient): AskAuthority {
  return async (token) => {
    const question = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: [tokenAudience] },
    };
    const { status } = await client.create<TokenReview>(question, { timeoutMs: 5_000 });
    if (status?.authenticated !== true) {
      return { kind: 'refused', reason: `token is not valid for audience ${tokenAudience}` };
    }
    if (status.audiences?.includes(tokenAudience) !== true) {
      return { kind: 'refused', reason: `token lacks audience ${tokenAudience}` };
    }
    const user = serviceAccountUser.exec(status.user?.username ?? '');
    const [, namespace, serviceAccount] = user ?? [];
    if (namespace === undefined || serviceAccount === undefined) {
      return { kind: 'refused', reason: `token of ${status.user?.username ?? 'nobody'}, who is no service account` };
    }
    return { kind: 'authenticated', identity: { namespace, serviceAccount } };
  };
}
