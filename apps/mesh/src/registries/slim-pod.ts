import type { Pod } from '#istio-api';

/** Pods are the bulk of a cluster: only what models need of them is kept. */
export function slimPod(pod: Pod): Pod {
  const { apiVersion, kind, metadata, spec, status } = pod;
  const portsOnly = (containers: NonNullable<Pod['spec']>['containers'] | undefined) =>
    (containers ?? []).flatMap(({ name, ports }) => (ports === undefined ? [] : [{ name, ports }]));
  const kept = { ...metadata };
  delete kept.annotations;
  delete kept.ownerReferences;
  return {
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(kind === undefined ? {} : { kind }),
    metadata: kept,
    spec: {
      ...(spec?.serviceAccountName === undefined ? {} : { serviceAccountName: spec.serviceAccountName }),
      ...(spec?.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
      ...(spec?.hostNetwork === undefined ? {} : { hostNetwork: spec.hostNetwork }),
      containers: portsOnly(spec?.containers),
      initContainers: portsOnly(spec?.initContainers),
    },
    ...(status === undefined ? {} : { status: slimStatus(status) }),
  };
}

function slimStatus({ phase, podIP, podIPs, conditions }: NonNullable<Pod['status']>): NonNullable<Pod['status']> {
  return {
    ...(phase === undefined ? {} : { phase }),
    ...(podIP === undefined ? {} : { podIP }),
    ...(podIPs === undefined ? {} : { podIPs }),
    conditions: (conditions ?? []).filter(({ type }) => type === 'Ready').map(({ type, status }) => ({ type, status })),
  };
}
