import { parseAllDocuments, stringify } from 'yaml';
import type { ConfigMap, PodTemplateSpec } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { names } from '#model';
import { sidecarPodTemplate } from '#planner';
import type { SidecarSettings } from '#planner';
import type { CommandContext } from './context.js';

/** Deployment, StatefulSet, DaemonSet or Job: what has a pod template. */
interface Workload extends ApiObject {
  readonly spec?: { readonly template?: PodTemplateSpec };
}

/** The manifests with the sidecar in each pod template, as the cluster that the context names expects it; `text` is YAML or JSON. */
export async function addSidecars({ client, namespace }: CommandContext, text: string, image: string): Promise<string> {
  const path = pathFor(resources.configMaps, { namespace, name: names.clusterConfigMap });
  const { trustDomain, clusterDomain, clusterID, networkName } =
    (await client.get<ConfigMap & ApiObject>(path))?.data ?? {};
  if (trustDomain === undefined || clusterDomain === undefined || clusterID === undefined)
    throw new Error(
      `ConfigMap ${namespace}/${names.clusterConfigMap}: there is none, or it is not whole; is Isthmus installed there? See -n`,
    );
  return withSidecars(text, { image, trustDomain, clusterDomain, clusterID, network: networkName ?? '' });
}

/** @throws Error that names the document which is no YAML. Pure. */
export function withSidecars(text: string, settings: Omit<SidecarSettings, 'workloadName'>): string {
  return parseAllDocuments(text)
    .map((document, index) => {
      const [fault] = document.errors;
      if (fault !== undefined) throw new Error(`document ${index + 1}: ${fault.message}`);
      return document.toJS() as Workload | null;
    })
    .filter((object) => object !== null)
    .map((object) => stringify(withSidecar(object, settings)))
    .join('---\n');
}

function withSidecar(object: Workload, settings: Omit<SidecarSettings, 'workloadName'>): Workload {
  const template = object.spec?.template;
  if (template?.spec?.containers === undefined) return object;
  const workloadName = object.metadata?.name ?? 'unknown';
  return { ...object, spec: { ...object.spec, template: sidecarPodTemplate(template, { ...settings, workloadName }) } };
}
