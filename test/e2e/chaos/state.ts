import type { ApiObject, LabCluster } from '../../lab/index.js';

/** Collections that Isthmus writes; what stands in them must survive every kill. */
const produced = [
  '/apis/networking.istio.io/v1/namespaces/isthmus-imports/serviceentries',
  '/apis/networking.istio.io/v1/namespaces/isthmus-imports/destinationrules',
  '/apis/networking.istio.io/v1/namespaces/isthmus-system/gateways',
  '/apis/security.istio.io/v1/namespaces/istio-system/authorizationpolicies',
];

interface Produced extends ApiObject {
  readonly spec?: unknown;
  readonly status?: { readonly addresses?: unknown };
}

interface Secret extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** Everything produced in one cluster, uids included: an object deleted and written anew counts as lost. */
export async function producedState(cluster: LabCluster): Promise<Readonly<Record<string, unknown>>> {
  const state: Record<string, unknown> = {};
  for (const path of produced) {
    const { items } = await cluster.api.list<Produced>(path);
    for (const { metadata, spec, status } of items) {
      state[`${path}/${metadata.name}`] = { uid: metadata.uid, spec, addresses: status?.addresses ?? null };
    }
  }
  const trust = await cluster.api.get<Secret>('/api/v1/namespaces/isthmus-system/secrets/isthmus-trust');
  state['trust'] = JSON.parse(Buffer.from(trust?.data?.['trust.json'] ?? '', 'base64').toString('utf8'));
  return state;
}
