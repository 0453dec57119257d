import { sidecarPodTemplate } from '#planner';
import { clusterIdentity } from './description.js';
import type { LabCluster } from './lab.js';
import type { PodTemplate } from './workloads.js';

/** Image of pilot-agent and Envoy, for sidecars and gateways. */
export const proxyImage = 'isthmus/proxyv2:lab';

/** The template with the product's sidecar in it, as this cluster's mesh expects it. */
export async function injectSidecar(template: PodTemplate, cluster: LabCluster): Promise<object> {
  const { trustDomain, clusterDomain, network } = cluster.plan;
  const { clusterID = '' } = await clusterIdentity(cluster);
  const workloadName = template.spec.serviceAccountName;
  return sidecarPodTemplate(template, {
    image: proxyImage,
    trustDomain,
    clusterDomain,
    clusterID,
    network,
    workloadName,
  });
}
