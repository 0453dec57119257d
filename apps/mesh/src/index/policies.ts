import type { AuthorizationPolicy as AuthorizationObject } from '#istio-api';
import type { AuthorizationPolicy } from '#xds';
import { labels } from '#model';

type Labels = Readonly<Record<string, string>>;

/**
 * An AuthorizationPolicy as proxies enforce it. AUDIT changes nothing that is let through; CUSTOM asks a provider that is not
 * there, and what would have been asked is denied, as Istio does with a provider it does not know. Passed over are policies that
 * name targets (Gateways, or Services behind waypoints: no sidecar enforces these, as in Istio) and those that our own controller
 * wrote (for stock control planes): the same grants are enforced at once, from their sources.
 */
export function authorizationPolicyFrom({
  metadata = {},
  spec = {},
}: AuthorizationObject): AuthorizationPolicy | undefined {
  const { action = 'ALLOW', rules = [] } = spec;
  const ours = metadata.labels?.[labels.managedBy] === labels.managedByValue;
  if (action === 'AUDIT' || ours || namesTargets(spec)) return undefined;
  return {
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? 'default',
    action: action === 'CUSTOM' ? 'DENY' : action,
    ...selectorPart(spec.selector?.matchLabels),
    rules,
  };
}

function namesTargets({ targetRef, targetRefs = [] }: NonNullable<AuthorizationObject['spec']>): boolean {
  return targetRef !== undefined || targetRefs.length > 0;
}

/** A selector without labels selects everything, which is what no selector means. */
function selectorPart(labels: Labels | undefined): { readonly selector?: Labels } {
  return labels === undefined || Object.keys(labels).length === 0 ? {} : { selector: labels };
}
