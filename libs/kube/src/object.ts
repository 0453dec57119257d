/** The least that every Kubernetes object shows; richer types of other libs fit it structurally. */
export interface ApiObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ApiObjectMeta;
}

/** Metadata as far as this lib reads it (Kubernetes API conventions, "Metadata"). */
export interface ApiObjectMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly unknown[];
  /** Who wrote last, and when by the API server's clock. */
  readonly managedFields?: readonly { readonly manager?: string; readonly time?: string }[];
}

/** Key of an object inside one resource: `namespace/name`, or the bare name of a cluster-scoped object. */
export function objectKey(object: ApiObject): string {
  const { namespace, name } = object.metadata ?? {};
  return keyOf(namespace, name ?? '');
}

export function keyOf(namespace: string | undefined, name: string): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}
