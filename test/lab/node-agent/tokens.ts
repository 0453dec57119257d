import type { KubeClient } from '#kube';
import type { Pod } from '../pod/pod-types.js';
import type { TokenWish } from '../pod/volume-payload.js';

interface HeldToken {
  readonly token: string;
  /** Unix ms from which a new one is asked for: four fifths of its life, as the kubelet does, at most a day. */
  readonly refreshAt: number;
  readonly expiresAt: number;
}

interface TokenRequest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: object;
  readonly status?: { readonly token: string; readonly expirationTimestamp: string };
}

const day = 86_400_000;
const refreshShare = 0.8;

/** Projected service account tokens of one pod, bound to it, renewed in time. */
export class PodTokens {
  private readonly held = new Map<string, HeldToken>();

  constructor(
    private readonly client: KubeClient,
    private readonly pod: Pod,
    private readonly now: () => number,
  ) {}

  /** Token for this wish: the held one until it is due, and on after that while the API server gives no other. */
  async get(wish: TokenWish): Promise<string> {
    const key = `${wish.audience}\n${wish.expirationSeconds}`;
    const held = this.held.get(key);
    if (held !== undefined && this.now() < held.refreshAt) return held.token;
    try {
      const fresh = await this.request(wish);
      this.held.set(key, fresh);
      return fresh.token;
    } catch (error) {
      if (held !== undefined && this.now() < held.expiresAt) return held.token;
      throw error;
    }
  }

  /** Unix ms of the next renewal; undefined when the pod holds no token. */
  nextRefresh(): number | undefined {
    const times = [...this.held.values()].map(({ refreshAt }) => refreshAt);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  private async request(wish: TokenWish): Promise<HeldToken> {
    const { namespace, name, uid } = this.pod.metadata;
    const account = this.pod.spec.serviceAccountName ?? 'default';
    const asked = this.now();
    const body: TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: wish.audience === '' ? [] : [wish.audience],
        expirationSeconds: wish.expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    };
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
    const response = await this.client.request({ method: 'POST', path, body: JSON.stringify(body), timeoutMs: 5000 });
    const answer = response.status < 300 ? (JSON.parse(response.body) as TokenRequest) : undefined;
    if (answer?.status === undefined)
      throw new Error(`token for ${namespace}/${account}: API server answered ${response.status}`);
    const { token, expirationTimestamp } = answer.status;
    const expiresAt = Date.parse(expirationTimestamp);
    return { token, expiresAt, refreshAt: asked + Math.min((expiresAt - asked) * refreshShare, day) };
  }
}
