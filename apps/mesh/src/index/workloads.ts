import { podAddresses, podIsReady, podServiceAccount, podSpeaksMutualTLS, type Pod } from '#istio-api';
import type { MeshCluster, Workload } from '#xds';

/** Label by which a pod says that it is on another network than its cluster. */
export const networkLabel = 'topology.istio.io/network';

/** Pods that have ended hold no address any more, though their object may still show one. */
export function isLive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== 'Succeeded' && phase !== 'Failed' && podAddresses(pod).length > 0 && pod.spec?.hostNetwork !== true;
}

export function workloadFrom(pod: Pod, cluster: MeshCluster): Workload {
  const { metadata = {}, spec } = pod;
  const labels = metadata.labels ?? {};
  const ports = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].flatMap((each) => each.ports ?? []);
  return {
    addresses: podAddresses(pod),
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? 'default',
    labels,
    serviceAccount: podServiceAccount(pod),
    ready: podIsReady(pod),
    tlsMode: podSpeaksMutualTLS(pod) ? 'istio' : 'disabled',
    network: labels[networkLabel] ?? cluster.network,
    ...(spec?.nodeName === undefined ? {} : { node: spec.nodeName }),
    namedPorts: Object.fromEntries(
      ports.flatMap(({ name, containerPort }) => (name === undefined ? [] : [[name, containerPort]])),
    ),
  };
}

/** `region/zone`, from the labels that Kubernetes copies from the pod's node; empty when it does not. */
export function localityOf(pod: Pod | undefined): string {
  const labels = pod?.metadata?.labels ?? {};
  const region = labels['topology.kubernetes.io/region'];
  const zone = labels['topology.kubernetes.io/zone'];
  if (region === undefined) return '';
  return zone === undefined ? region : `${region}/${zone}`;
}

/** Istio's `<workload>;<namespace>;<canonical name>;<canonical revision>;<cluster id>`. */
export function workloadText(pod: Pod, clusterID: string): string {
  const { name = '', namespace = '', labels = {}, generateName } = pod.metadata ?? {};
  const workload = generateName === undefined ? name : ownerOf(generateName, labels['pod-template-hash']);
  const canonical =
    labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workload;
  const revision =
    labels['service.istio.io/canonical-revision'] ??
    labels['app.kubernetes.io/version'] ??
    labels['version'] ??
    'latest';
  return [workload, namespace, canonical, revision, clusterID].join(';');
}

/** A Deployment's pods are made under `<deployment>-<template hash>-`. */
function ownerOf(generateName: string, templateHash: string | undefined): string {
  const suffix = templateHash === undefined ? '-' : `-${templateHash}-`;
  return generateName.endsWith(suffix) ? generateName.slice(0, -suffix.length) : generateName.replace(/-$/, '');
}
