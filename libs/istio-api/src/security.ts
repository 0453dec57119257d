import type { KubernetesObject } from './object.js';

/** Group and version of Istio's security API. */
export const securityApiVersion = 'security.istio.io/v1';

export interface WorkloadSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

/** Peer that a rule speaks of; every field is a list of exact, `prefix*`, `*suffix` or `*` values. */
export interface AuthorizationSource {
  readonly principals?: readonly string[];
  readonly notPrincipals?: readonly string[];
  readonly requestPrincipals?: readonly string[];
  readonly notRequestPrincipals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly notNamespaces?: readonly string[];
  /** `<namespace>/<name>`, or `<name>` in the policy's own namespace; no wildcards. */
  readonly serviceAccounts?: readonly string[];
  readonly notServiceAccounts?: readonly string[];
  readonly trustDomains?: readonly string[];
  readonly notTrustDomains?: readonly string[];
  readonly ipBlocks?: readonly string[];
  readonly notIpBlocks?: readonly string[];
  readonly remoteIpBlocks?: readonly string[];
  readonly notRemoteIpBlocks?: readonly string[];
}

export interface AuthorizationOperation {
  readonly hosts?: readonly string[];
  readonly notHosts?: readonly string[];
  readonly ports?: readonly string[];
  readonly notPorts?: readonly string[];
  readonly methods?: readonly string[];
  readonly notMethods?: readonly string[];
  readonly paths?: readonly string[];
  readonly notPaths?: readonly string[];
}

export interface AuthorizationRule {
  readonly from?: readonly { readonly source?: AuthorizationSource }[];
  readonly to?: readonly { readonly operation?: AuthorizationOperation }[];
  readonly when?: readonly {
    readonly key: string;
    readonly values?: readonly string[];
    readonly notValues?: readonly string[];
  }[];
}

/** What a policy is attached to instead of selected workloads. */
export interface PolicyTargetReference {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface AuthorizationPolicy extends KubernetesObject {
  readonly spec?: {
    readonly selector?: WorkloadSelector;
    /** The older field, which holds one. */
    readonly targetRef?: PolicyTargetReference;
    readonly targetRefs?: readonly PolicyTargetReference[];
    readonly action?: 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';
    readonly rules?: readonly AuthorizationRule[];
    readonly provider?: { readonly name?: string };
  };
}

export type MutualTLSMode = 'UNSET' | 'DISABLE' | 'PERMISSIVE' | 'STRICT';

export interface PeerAuthentication extends KubernetesObject {
  readonly spec?: {
    readonly selector?: WorkloadSelector;
    readonly mtls?: { readonly mode?: MutualTLSMode };
    readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: MutualTLSMode }>>;
  };
}
