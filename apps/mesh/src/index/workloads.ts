import { podAddresses, podIsReady, podServiceAccount, podSpeaksMutualTLS, type Node, type Pod } from '#istio-api';
import type { Workload } from '#xds';
import type { Registry } from '../registries/registry.js';

/** Label by which a pod says that it is on another network than its cluster. */
export const networkLabel = 'topology.istio.io/network';

/** Pods that have ended hold no address any more, though their object may still show one. */
export function isLive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== 'Succeeded' && phase !== 'Failed' && podAddresses(pod).length > 0 && pod.spec?.hostNetwork !== true;
}

export function workloadFrom(pod: Pod, registry: Registry): Workload {
  const { metadata = {}, spec } = pod;
  const labels = metadata.labels ?? {};
  const locality = registry.localityOf(pod);
  const ports = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].flatMap((each) => each.ports ?? []);
  return {
    addresses: podAddresses(pod),
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? 'default',
    labels,
    serviceAccount: podServiceAccount(pod),
    ready: podIsReady(pod),
    tlsMode: podSpeaksMutualTLS(pod) ? 'istio' : 'disabled',
    network: registry.networkOf(pod, podAddresses(pod)[0] ?? ''),
    ...(locality === '' ? {} : { locality }),
    ...(spec?.nodeName === undefined ? {} : { node: spec.nodeName }),
    namedPorts: Object.fromEntries(
      ports.flatMap(({ name, containerPort }) => (name === undefined ? [] : [[name, containerPort]])),
    ),
  };
}

const regionLabel = 'topology.kubernetes.io/region';
const zoneLabel = 'topology.kubernetes.io/zone';
const subzoneLabel = 'topology.istio.io/subzone';

/** `region/zone/subzone` from a node's labels, without the parts that it does not say; empty when it says no region. */
export function localityOfNode(node: Node | undefined): string {
  const labels = node?.metadata?.labels ?? {};
  return localityText(labels[regionLabel], labels[zoneLabel], labels[subzoneLabel]);
}

/** What a pod says itself: Istio's `istio-locality` (`region.zone.subzone`), else the labels Kubernetes copies from its node. */
export function localityOfPod(pod: Pod | undefined): string | undefined {
  const labels = pod?.metadata?.labels ?? {};
  const own = labels['istio-locality'];
  if (own !== undefined) return own.replaceAll('.', '/');
  const copied = localityText(labels[regionLabel], labels[zoneLabel], undefined);
  return copied === '' ? undefined : copied;
}

function localityText(region: string | undefined, zone: string | undefined, subzone: string | undefined): string {
  if (region === undefined) return '';
  return [region, zone ?? '', subzone ?? ''].join('/').replace(/\/+$/, '');
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
