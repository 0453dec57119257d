import { readFileSync } from 'node:fs';
import type { ApiObject } from './api.js';
import type { Lab, LabCluster } from './lab.js';
import { waitFor } from './waiting.js';

const path = '/apis/isthmus.dev/v1alpha1/istiofederations';
const multiclusterPath = '/apis/isthmus.dev/v1alpha1/istiomulticlusters';
const timeoutMs = 180_000;

/** The resource with which `cluster` federates with `peer`. */
export function federationFor(peer: LabCluster): object {
  return {
    apiVersion: 'isthmus.dev/v1alpha1',
    kind: 'IstioFederation',
    metadata: { name: peer.name },
    spec: {
      trustDomain: peer.plan.trustDomain,
      clusterDomain: peer.plan.clusterDomain,
      metadataEndpoint: peer.metadataEndpoint,
      metadata: { ca: readFileSync(peer.files.serving, 'utf8') },
    },
  };
}

/** The resource with which `cluster` joins `peer` as a co-dependent one. */
export function multiclusterFor(peer: LabCluster): object {
  return {
    apiVersion: 'isthmus.dev/v1alpha1',
    kind: 'IstioMulticluster',
    metadata: { name: peer.name },
    spec: {
      metadataEndpoint: peer.metadataEndpoint,
      metadata: { ca: readFileSync(peer.files.serving, 'utf8') },
    },
  };
}

/** Creates an IstioMulticluster in every cluster for every other one; resolves when all are Ready. */
export async function joinAll(lab: Lab, progress?: (line: string) => void): Promise<void> {
  const pairs = pairsOf(lab);
  await Promise.all(
    pairs.map(({ cluster, peer }) => cluster.api.apply(`${multiclusterPath}/${peer.name}`, multiclusterFor(peer))),
  );
  await Promise.all(pairs.map(({ cluster, peer }) => multiclusterIsReady(cluster, peer.name, progress)));
}

function pairsOf(lab: Lab): readonly { readonly cluster: LabCluster; readonly peer: LabCluster }[] {
  return lab.clusters.flatMap((cluster) =>
    lab.clusters.filter((peer) => peer !== cluster).map((peer) => ({ cluster, peer })),
  );
}

/** Creates an IstioFederation in every cluster for every other one; resolves when all are Ready. */
export async function federateAll(lab: Lab, progress?: (line: string) => void): Promise<void> {
  const pairs = pairsOf(lab);
  await Promise.all(pairs.map(({ cluster, peer }) => cluster.api.apply(`${path}/${peer.name}`, federationFor(peer))));
  await Promise.all(pairs.map(({ cluster, peer }) => federationIsReady(cluster, peer.name, progress)));
}

interface PeerResource extends ApiObject {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

/** Resolves when the IstioFederation's condition Ready is True. @throws Error with its reason and message */
export function federationIsReady(cluster: LabCluster, name: string, progress?: (line: string) => void): Promise<void> {
  return peerIsReady(cluster, `${path}/${name}`, progress);
}

/** The same of an IstioMulticluster. */
export function multiclusterIsReady(
  cluster: LabCluster,
  name: string,
  progress?: (line: string) => void,
): Promise<void> {
  return peerIsReady(cluster, `${multiclusterPath}/${name}`, progress);
}

async function peerIsReady(cluster: LabCluster, resource: string, progress?: (line: string) => void): Promise<void> {
  const ask = async (): Promise<true | undefined> => {
    const peer = await cluster.api.get<PeerResource>(resource);
    const ready = peer?.status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status === 'True') return true;
    throw new Error(ready === undefined ? 'no condition Ready' : `${ready.reason}: ${ready.message}`);
  };
  await waitFor(ask, {
    what: `${resource.split('/').slice(-2).join(' ')} in ${cluster.name}`,
    timeoutMs,
    everyMs: 100,
    ...(progress === undefined ? {} : { progress }),
  });
}
