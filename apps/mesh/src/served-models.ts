import { SnapshotBuilder, servedFromSnapshot, type ProxyNode, type Served, type Snapshot } from '#xds';
import type { ServedSource } from './discovery/proxy-stream.js';
import type { ModelVersion } from './index/mesh-index.js';

/** What proxies are served of the newest model; proxies with one snapshot share one view of it. */
export class ServedModels {
  readonly #builder = new SnapshotBuilder();
  readonly #views = new WeakMap<Snapshot, Served>();
  readonly #current: () => ModelVersion | undefined;

  constructor(current: () => ModelVersion | undefined) {
    this.#current = current;
  }

  /** Undefined until there is a model. */
  source(): ServedSource | undefined {
    const version = this.#current();
    if (version === undefined) return undefined;
    const { generation, model } = version;
    return { generation, servedFor: (node: ProxyNode) => this.#view(this.#builder.snapshotFor(model, node)) };
  }

  #view(snapshot: Snapshot): Served {
    const known = this.#views.get(snapshot) ?? servedFromSnapshot(snapshot);
    this.#views.set(snapshot, known);
    return known;
  }
}
