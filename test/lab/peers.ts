import { readFileSync } from 'node:fs';
import type { ApiObject } from './api.js';
import type { Lab, LabCluster } from './lab.js';
import { waitFor } from './waiting.js';

const path = '/apis/isthmus.dev/v1alpha1/istiofederations';

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

/** Creates an IstioFederation in every cluster for every other one; resolves when all are Ready. */
export async function federateAll(lab: Lab, progress?: (line: string) => void): Promise<void> {
  const pairs = lab.clusters.flatMap((cluster) =>
    lab.clusters.filter((peer) => peer !== cluster).map((peer) => ({ cluster, peer })),
  );
  await Promise.all(pairs.map(({ cluster, peer }) => cluster.api.apply(`${path}/${peer.name}`, federationFor(peer))));
  await Promise.all(pairs.map(({ cluster, peer }) => federationIsReady(cluster, peer.name, progress)));
}

interface Federation extends ApiObject {
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
export async function federationIsReady(
  cluster: LabCluster,
  name: string,
  progress?: (line: string) => void,
): Promise<void> {
  const ask = async (): Promise<true | undefined> => {
    const federation = await cluster.api.get<Federation>(`${path}/${name}`);
    const ready = federation?.status?.conditions?.find(({ type }) => type === 'Ready');
    if (ready?.status === 'True') return true;
    throw new Error(ready === undefined ? 'no condition Ready' : `${ready.reason}: ${ready.message}`);
  };
  await waitFor(ask, {
    what: `IstioFederation ${name} in ${cluster.name}`,
    timeoutMs: 60_000,
    everyMs: 100,
    ...(progress === undefined ? {} : { progress }),
  });
}
