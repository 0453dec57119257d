import { z } from 'zod';
import { names } from '#model';
import type { PeerKind } from '#model';
import { federationSpec } from './istio-federation.js';
import { multiclusterSpec } from './istio-multicluster.js';
import { longestPeerName } from './parse.js';
import { status } from './status.js';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

interface KindFacts {
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly spec: z.ZodType;
  readonly peerColumn: string;
  readonly servicesColumn: { readonly path: string; readonly says: string };
}

const facts: Readonly<Record<PeerKind, KindFacts>> = {
  IstioFederation: {
    plural: 'istiofederations',
    singular: 'istiofederation',
    shortNames: ['ifed'],
    spec: federationSpec,
    peerColumn: '.spec.trustDomain',
    servicesColumn: { path: '.status.services.imported', says: 'Imported services.' },
  },
  IstioMulticluster: {
    plural: 'istiomulticlusters',
    singular: 'istiomulticluster',
    shortNames: ['imc'],
    spec: multiclusterSpec,
    peerColumn: '.status.peer.clusterID',
    servicesColumn: { path: '.status.remote.services', says: 'Services that the mesh core has read there.' },
  },
};

/** The CustomResourceDefinition of a kind, made from its zod schemas; `scripts/gen-crd.ts` writes it into the chart. */
export function crdManifest(kind: PeerKind): JsonObject {
  const { plural, singular, shortNames } = facts[kind];
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${names.group}` },
    spec: {
      group: names.group,
      scope: 'Cluster',
      names: { kind, listKind: `${kind}List`, plural, singular, shortNames, categories: ['isthmus'] },
      versions: [
        {
          name: names.version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: objectSchema(facts[kind]) },
          subresources: { status: {} },
          additionalPrinterColumns: printerColumns(facts[kind]),
        },
      ],
    },
  };
}

/** File of a kind below charts/isthmus/crds. */
export function crdFileName(kind: PeerKind): string {
  return `${names.group}_${facts[kind].plural}.yaml`;
}

function objectSchema({ spec }: KindFacts): JsonObject {
  return {
    type: 'object',
    required: ['spec'],
    'x-kubernetes-validations': [
      {
        rule: `size(self.metadata.name) <= ${longestPeerName}`,
        message: `the name is longer than ${longestPeerName} characters: it becomes a label, choose a shorter one`,
      },
    ],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: structural(z.toJSONSchema(spec, { target: 'openapi-3.0', io: 'input' }) as JsonObject),
      status: structural(z.toJSONSchema(status, { target: 'openapi-3.0', io: 'input' }) as JsonObject),
    },
  };
}

/** zod's JSON Schema as Kubernetes wants it: integers lose JavaScript's own bounds and get a format. */
function structural(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map((item: Json) => structural(item));
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).filter(
    ([key, value]) =>
      !((key === 'maximum' || key === 'minimum') && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER),
  );
  const copy = Object.fromEntries(kept.map(([key, value]) => [key, structural(value)]));
  // The same rule stands beside it in CEL, with words.
  if ('x-kubernetes-validations' in copy) delete copy['pattern'];
  return copy['type'] === 'integer' ? { ...copy, format: 'int64' } : copy;
}

function printerColumns({ peerColumn, servicesColumn }: KindFacts): Json {
  const ready = '.status.conditions[?(@.type=="Ready")]';
  return [
    { name: 'READY', type: 'string', jsonPath: `${ready}.status` },
    { name: 'STATE', type: 'string', jsonPath: `${ready}.reason` },
    { name: 'PEER', type: 'string', jsonPath: peerColumn },
    { name: 'SERVICES', type: 'integer', jsonPath: servicesColumn.path, description: servicesColumn.says },
    {
      name: 'GATEWAYS',
      type: 'string',
      jsonPath: '.status.gateways.summary',
      description: 'Reachable/all gateways of the peer.',
    },
    { name: 'AGE', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ];
}
