import { labelsMatch, podServiceAccount, podSpeaksMutualTLS, targetPortOf } from '#istio-api';
import type { IntOrString, Pod } from '#istio-api';
import { serviceLimits, sortedUnique } from '#model';
import type { LocalService } from './local-service.js';

/** What the pods of this cluster say about its Services. */
export interface WorkloadIndex {
  /** SPIFFE ids under which a Service's pods answer, sorted; empty while it has none. */
  subjectAltNames(service: LocalService): readonly string[];
  /** False when no pod behind the Service carries a sidecar: announced, but dead (`NoMeshEndpoints`). */
  hasMeshEndpoints(service: LocalService): boolean;
  /** Numbers behind a target port on the Service's pods (a name may differ from pod to pod), sorted. */
  targetPorts(service: LocalService, targetPort: IntOrString): readonly number[];
}

/** Built once per pass; looks only at the pods of the Service's namespace. */
export function workloadIndex(pods: readonly Pod[], trustDomain: string): WorkloadIndex {
  const byNamespace = Map.groupBy(pods.filter(lives), (pod) => pod.metadata?.namespace ?? 'default');
  const behind = ({ namespace, selector }: LocalService): readonly Pod[] =>
    selector === undefined
      ? []
      : (byNamespace.get(namespace) ?? []).filter((pod) => labelsMatch(selector, pod.metadata?.labels));
  return {
    subjectAltNames: (service) =>
      sortedUnique(
        behind(service).map((pod) => `spiffe://${trustDomain}/ns/${service.namespace}/sa/${podServiceAccount(pod)}`),
      ),
    hasMeshEndpoints: (service) => behind(service).some(podSpeaksMutualTLS),
    targetPorts: (service, targetPort) => {
      if (typeof targetPort === 'number') return [targetPort];
      const numbers = behind(service).flatMap((pod) => targetPortOf(pod, targetPort) ?? []);
      return [...new Set(numbers)].sort((a, b) => a - b);
    },
  };
}

/**
 * Pods of namespaces with more service accounts than a document takes for one Service: elsewhere identities cannot keep a Service from being
 * shared, so that who only enforces (`grantsFor`) need not look at the pods there.
 */
export function podsOfManyAccounts(pods: readonly Pod[]): readonly Pod[] {
  const accounts = new Map<string, Set<string>>();
  for (const pod of pods) {
    const namespace = pod.metadata?.namespace ?? 'default';
    const known = accounts.get(namespace);
    if (known === undefined) accounts.set(namespace, new Set([podServiceAccount(pod)]));
    else known.add(podServiceAccount(pod));
  }
  const crowded = [...accounts].filter(([, known]) => known.size > serviceLimits.subjectAltNamesPerService);
  const namespaces = new Set(crowded.map(([namespace]) => namespace));
  return namespaces.size === 0 ? [] : pods.filter((pod) => namespaces.has(pod.metadata?.namespace ?? 'default'));
}

function lives(pod: Pod): boolean {
  return pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed';
}
