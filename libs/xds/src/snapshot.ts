import { type Resource, TYPE_URLS } from '#proto';
import { compareText } from '#model';
import { type GatewayFacts, gatewayFacts } from './gateway/facts.js';
import { gatewayResources } from './gateway/resources-of.js';
import { inboundFacts, workloadOf } from './inbound/facts.js';
import { inboundResources } from './inbound/resources-of.js';
import type { MeshModel, MeshService } from './mesh-model.js';
import { type OutboundView, outboundResources, outboundViewOf } from './outbound/resources-of.js';
import { servicesWithEffectiveTls } from './outbound/visible-services.js';
import type { ProxyNode } from './proxy-node.js';
import { ResourceCache } from './resource-cache.js';
import { type Bundle, trustBundles, trustSecretFor } from './identity/trust-secret.js';

/** What one proxy is to be served: by type URL, then by name. Never changed once made; equal proxies share one. */
export type Snapshot = ReadonlyMap<string, ReadonlyMap<string, Resource>>;

/** Computes snapshots and remembers encoded resources between models. Same model and proxy, same bytes, in every replica. */
export class SnapshotBuilder {
  private readonly cache = new ResourceCache();
  private model: MeshModel | undefined;
  private services: readonly MeshService[] = [];
  private bundles: readonly Bundle[] = [];
  private trust: readonly Resource[] = [];
  private outbound = new Map<string, readonly Resource[]>();
  private snapshots = new Map<string, Snapshot>();

  /** What `proxy` is to be served under `model`. Calls for one model should come together. */
  snapshotFor(model: MeshModel, proxy: ProxyNode): Snapshot {
    if (model !== this.model) this.adopt(model);
    return proxy.type === 'router' ? this.routerSnapshot(model, proxy) : this.sidecarSnapshot(model, proxy);
  }

  private adopt(model: MeshModel): void {
    this.model = model;
    this.cache.nextGeneration();
    this.services = servicesWithEffectiveTls(model);
    const bundles = trustBundles(model);
    const secret = (): Resource => trustSecretFor(bundles);
    this.bundles = bundles;
    this.trust = bundles.length === 0 ? [] : [this.cache.resource(`trust ${JSON.stringify(bundles)}`, secret)];
    this.outbound = new Map();
    this.snapshots = new Map();
  }

  private sidecarSnapshot(model: MeshModel, proxy: ProxyNode): Snapshot {
    const workload = workloadOf(model, proxy);
    const view = outboundViewOf(model, proxy, workload);
    const facts = inboundFacts(model, workload);
    const key = `sidecar ${JSON.stringify([view, facts, ownAddresses(this.services, proxy)])}`;
    return this.shared(key, () => {
      const outbound = this.outboundOf(model, view).filter((resource) => !isOwnListener(resource, proxy));
      return [...outbound, ...inboundResources(this.cache, facts, this.bundles), ...this.trust];
    });
  }

  private routerSnapshot(model: MeshModel, proxy: ProxyNode): Snapshot {
    const facts: GatewayFacts = gatewayFacts(model, this.services, proxy);
    return this.shared(`router ${JSON.stringify(facts)}`, () => gatewayResources(this.cache, facts));
  }

  private outboundOf(model: MeshModel, view: OutboundView): readonly Resource[] {
    const key = JSON.stringify(view);
    const known = this.outbound.get(key) ?? outboundResources(this.cache, { ...model, services: this.services }, view);
    this.outbound.set(key, known);
    return known;
  }

  private shared(key: string, build: () => readonly Resource[]): Snapshot {
    const known = this.snapshots.get(key) ?? snapshotOf(build());
    this.snapshots.set(key, known);
    return known;
  }
}

/** A single snapshot, without memory. */
export function snapshotFor(model: MeshModel, proxy: ProxyNode): Snapshot {
  return new SnapshotBuilder().snapshotFor(model, proxy);
}

/** Groups resources by type and sorts them by name; every type is present, so that "none" can be told from "not served". */
function snapshotOf(resources: readonly Resource[]): Snapshot {
  const byType = new Map<string, Map<string, Resource>>(Object.values(TYPE_URLS).map((url) => [url, new Map()]));
  for (const resource of [...resources].sort((a, b) => compareText(a.name, b.name))) {
    byType.get(resource.typeUrl)?.set(resource.name, resource);
  }
  return byType;
}

/** Headless ports listen on pod addresses; on its own a proxy would send itself round in circles. */
function isOwnListener({ typeUrl, name }: Resource, { addresses }: ProxyNode): boolean {
  return typeUrl === TYPE_URLS.listener && addresses.some((address) => name.startsWith(`${address}_`));
}

function ownAddresses(services: readonly MeshService[], { addresses }: ProxyNode): readonly string[] {
  const headless = services.some(
    (service) => service.headless && service.endpoints.some(({ address }) => addresses.includes(address)),
  );
  return headless ? addresses : [];
}
