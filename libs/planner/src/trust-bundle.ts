import { compareText, sortedUnique } from '#model';
import type { TrustRegistry } from '#model';

/** Roots that vouch for one trust domain, and for no other. */
export interface TrustBundle {
  readonly trustDomain: string;
  /** PEM certificates, sorted. */
  readonly roots: readonly string[];
  /** PEM CRLs, sorted; empty = revocation is not checked for this domain. */
  readonly crls: readonly string[];
}

/** What `trustBundlesFor` knows of this cluster itself. */
export interface OwnTrust {
  readonly trustDomain: string;
  readonly roots: readonly string[];
  /** Our own revocation lists, a complete set; absent where nobody checks by them. */
  readonly crls?: readonly string[];
}

/**
 * One bundle per trust domain, our own included, sorted. Roots of several peers are united only where they share a trust domain
 * (multicluster with `sharedTrustDomain`); whether they may is judged before they enter the registry (trust rule 8).
 * CRLs make Envoy check the whole chain, so a domain's are used only when each of its members gave a set, we ourselves included.
 */
export function trustBundlesFor(own: OwnTrust, registry: TrustRegistry): readonly TrustBundle[] {
  const sources = [{ ...own, crls: own.crls ?? [] }, ...registry.peers];
  return [...Map.groupBy(sources, ({ trustDomain }) => trustDomain).entries()]
    .sort(([a], [b]) => compareText(a, b))
    .map(([trustDomain, members]) => ({
      trustDomain,
      roots: sortedUnique(members.flatMap(({ roots }) => roots.map(normalisePem))),
      crls: members.every(({ crls }) => crls.length > 0)
        ? sortedUnique(members.flatMap(({ crls }) => crls.map(normalisePem)))
        : [],
    }))
    .filter(({ roots }) => roots.length > 0);
}

/** One entry of a stock istiod's `meshConfig.caCertificates`: a root, and the trust domains whose identities are let in. */
export interface CaCertificate {
  /** One PEM certificate: istiod looks at the first of an entry only. */
  readonly pem: string;
  readonly trustDomains: readonly string[];
}

/** Every root but our own as istiod is told of it; it pools them all (condition `TrustUnscoped`). */
export function caCertificatesFor(own: OwnTrust, registry: TrustRegistry): readonly CaCertificate[] {
  const ours = new Set(own.roots.map(normalisePem));
  return trustBundlesFor(own, registry).flatMap(({ trustDomain, roots }) =>
    roots.filter((pem) => !ours.has(pem)).map((pem) => ({ pem, trustDomains: [trustDomain] })),
  );
}

function normalisePem(pem: string): string {
  return `${pem.replaceAll('\r\n', '\n').trim()}\n`;
}
