import { REASONS } from '#crd';
import { podSpeaksMutualTLS, workloadModes } from '#istio-api';
import type { ModePolicy, Pod } from '#istio-api';
import { sortedUnique } from '#model';
import type { Finding } from '#model';

/** So many namespaces are named in one finding. */
const mostNamed = 5;

/** Namespaces, sorted, with a pod whose sidecar takes plain text on some port: PERMISSIVE or DISABLE, by its policies. */
export function namespacesInPlainText(
  pods: readonly Pod[],
  policies: readonly ModePolicy[],
  rootNamespace: string,
): readonly string[] {
  const judged = new Map<string, boolean>();
  const open = pods.filter(podSpeaksMutualTLS).flatMap(({ metadata = {} }) => {
    const { namespace = 'default', labels = {} } = metadata;
    const key = `${namespace} ${JSON.stringify(labels)}`;
    const known = judged.get(key) ?? takesPlainText(policies, rootNamespace, { namespace, labels });
    judged.set(key, known);
    return known ? [namespace] : [];
  });
  return sortedUnique(open);
}

function takesPlainText(
  policies: readonly ModePolicy[],
  rootNamespace: string,
  workload: Parameters<typeof workloadModes>[2],
): boolean {
  const { mode, ports } = workloadModes(policies, rootNamespace, workload);
  return [mode, ...Object.values(ports)].some((each) => each !== 'STRICT');
}

/**
 * What goes around sharing where a peer's pods are on our network (trust rule 9): a sidecar that takes plain text asks nobody for an
 * identity. None for peers on networks of other names, and for those that do not say theirs.
 */
export function plainTextFindings(
  network: string,
  peerNetwork: string | undefined,
  namespaces: () => readonly string[],
): readonly Finding[] {
  if (network === '' || peerNetwork !== network) return [];
  const open = namespaces();
  if (open.length === 0) return [];
  const more = open.length > mostNamed ? ' and others' : '';
  const message = `this cluster and the peer both say that they are on network ${network}, and sidecars in ${open.slice(0, mostNamed).join(', ')}${more} take plain text, which tells no identity and so goes around what is shared: set PeerAuthentication STRICT there; or, where pods of the two do not reach each other, name their networks differently (chart value network)`;
  return [{ reason: REASONS.PlainTextReachable, message }];
}
