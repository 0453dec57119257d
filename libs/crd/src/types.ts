import type { z } from 'zod';
import type { federationSpec } from './istio-federation.js';
import type { multiclusterSpec } from './istio-multicluster.js';
import type { stalePolicy } from './stale-policy.js';
import type { status } from './status.js';

export type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Field in keyof T]: Frozen<T[Field]> }
    : T;

export type FederationSpec = Frozen<z.output<typeof federationSpec>>;
export type FederationExports = NonNullable<FederationSpec['exports']>;
export type FederationImports = NonNullable<FederationSpec['imports']>;
export type MulticlusterSpec = Frozen<z.output<typeof multiclusterSpec>>;
export type StalePolicy = Frozen<z.output<typeof stalePolicy>>;
export type PeerStatus = Frozen<z.output<typeof status>>;

/** Metadata of our own resources, as far as it is read. */
export interface PeerMetadata {
  readonly name: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
}

interface PeerResource<Kind extends string, Spec> {
  readonly apiVersion: 'isthmus.dev/v1alpha1';
  readonly kind: Kind;
  readonly metadata: PeerMetadata;
  readonly spec: Spec;
  readonly status?: PeerStatus;
}

export type IstioFederation = PeerResource<'IstioFederation', FederationSpec>;
export type IstioMulticluster = PeerResource<'IstioMulticluster', MulticlusterSpec>;

/** DNS suffix of a federation peer's Services. */
export function peerClusterDomain(spec: FederationSpec): string {
  return spec.clusterDomain ?? spec.trustDomain;
}
