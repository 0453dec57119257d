import type { IntOrString, Pod } from './core.js';

/** Pod addresses, primary first; empty before the pod has one. */
export function podAddresses(pod: Pod): readonly string[] {
  const all = (pod.status?.podIPs ?? []).map(({ ip }) => ip);
  if (all.length > 0) return all;
  return pod.status?.podIP === undefined ? [] : [pod.status.podIP];
}

export function podIsReady(pod: Pod): boolean {
  return (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
}

/** True when the pod carries a sidecar that ends mutual TLS (label set by the injector). */
export function podSpeaksMutualTLS(pod: Pod): boolean {
  return pod.metadata?.labels?.['security.istio.io/tlsMode'] === 'istio';
}

export function podServiceAccount(pod: Pod): string {
  return pod.spec?.serviceAccountName ?? 'default';
}

/** Number behind a Service's targetPort on this pod: names are looked up among its containers' ports. */
export function targetPortOf(pod: Pod, targetPort: IntOrString): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  return pod.spec?.containers.flatMap(({ ports }) => ports ?? []).find(({ name }) => name === targetPort)
    ?.containerPort;
}
