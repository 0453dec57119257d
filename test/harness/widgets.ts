import { pathFor, resources } from '#kube';
import type { ApiObject, KubeClient, ResourcePath } from '#kube';
import { waitFor } from './child.js';

/** A cluster-scoped kind of our own, so that tests can let a CRD come and go. */
export const widgets: ResourcePath = {
  apiVersion: 'isthmus.dev/v1alpha1',
  kind: 'IstioFederation',
  plural: 'istiofederations',
  namespaced: false,
};

export function widget(name: string, labels: Record<string, string> = {}): ApiObject {
  return { apiVersion: widgets.apiVersion, kind: widgets.kind, metadata: { name, labels } };
}

const conditions = {
  type: 'array',
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': ['type'],
  items: {
    type: 'object',
    required: ['type'],
    properties: { type: { type: 'string' }, status: { type: 'string' } },
  },
};

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${widgets.plural}.isthmus.dev` },
  spec: {
    group: 'isthmus.dev',
    scope: 'Cluster',
    names: { plural: widgets.plural, singular: 'istiofederation', kind: widgets.kind },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              status: { type: 'object', properties: { note: { type: 'string' }, conditions } },
            },
          },
        },
      },
    ],
  },
};

/** Installs the kind and waits until it is served. */
export async function installWidgets(client: KubeClient): Promise<void> {
  if (
    (await client.get(pathFor(resources.customResourceDefinitions, { name: definition.metadata.name }))) === undefined
  ) {
    await client.create(definition);
  }
  await waitFor('CRD served', async () => {
    const { status } = await client.request({ method: 'GET', path: pathFor(widgets) });
    return status === 200 ? true : undefined;
  });
}

export async function removeWidgets(client: KubeClient): Promise<void> {
  await client.delete(pathFor(resources.customResourceDefinitions, { name: definition.metadata.name }));
}
