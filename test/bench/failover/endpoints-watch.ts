import { demoNamespace } from '../../lab/index.js';
import type { ApiObject, LabCluster } from '../../lab/index.js';

interface Slice extends ApiObject {
  readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[];
}

/** When a Service had ready endpoints and when none, as a bystander of the API server sees it. */
export class EndpointsWatch {
  readonly #ready = new Map<string, number>();
  readonly #changes: { readonly at: number; readonly ready: boolean }[] = [];
  readonly #stopped = new AbortController();
  #broken: Error | undefined;

  constructor(cluster: LabCluster, service: string) {
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${demoNamespace}/endpointslices`;
    const path = `${slices}?watch=true&labelSelector=kubernetes.io%2Fservice-name%3D${service}`;
    this.#follow(cluster, path).catch((error: unknown) => {
      if (!this.#stopped.signal.aborted) this.#broken = error as Error;
    });
  }

  /** Unix ms of the first moment since then with ready endpoints, or with none; undefined = not yet. */
  since(time: number, ready: boolean): number | undefined {
    if (this.#broken !== undefined) throw this.#broken;
    return this.#changes.find((change) => change.at >= time && change.ready === ready)?.at;
  }

  stop(): Promise<void> {
    this.#stopped.abort();
    return Promise.resolve();
  }

  async #follow({ api }: LabCluster, path: string): Promise<void> {
    for await (const { type, object } of api.watch<Slice>(path, this.#stopped.signal)) {
      const endpoints = type === 'DELETED' ? [] : (object.endpoints ?? []);
      const ready = endpoints.filter(({ conditions }) => conditions?.ready !== false).length;
      this.#ready.set(object.metadata.name, ready);
      const any = [...this.#ready.values()].some((count) => count > 0);
      if (any !== this.#changes.at(-1)?.ready) this.#changes.push({ at: unixMs(), ready: any });
    }
    throw new Error('the watch of the EndpointSlices ended');
  }
}

export function unixMs(): number {
  return performance.timeOrigin + performance.now();
}
