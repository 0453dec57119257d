import type { KubernetesObject } from '#istio-api';

/** A live object as we wrote it, without what the API server added: applied again it changes nothing. */
export function asWritten<T extends KubernetesObject>(live: T): T {
  const { namespace, name, labels, annotations } = live.metadata ?? {};
  const written = {
    ...live,
    metadata: {
      ...(namespace === undefined ? {} : { namespace }),
      ...(name === undefined ? {} : { name }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
  // Status is written by itself; `type` is the API server's default.
  const {
    status: _status,
    type: _type,
    ...rest
  } = written as T & { readonly status?: unknown; readonly type?: unknown };
  return rest as unknown as T;
}
