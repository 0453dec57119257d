import { create } from '@bufbuild/protobuf';
import { type Resource, toResource, TYPE_URLS } from '#proto';
import { NameTable_NameInfoSchema, NameTableSchema } from '#proto-gen/istio/networking/nds/v1/nds_pb';
import { sortedBy, sortedUnique } from '#model';
import type { MeshService } from './mesh-model.js';
import { isAddress } from './proxy-node.js';

/** The table from which the agent answers DNS: virtual addresses, and for headless services those of the pods. */
export function nameTableFor(services: readonly MeshService[]): Resource {
  const entries = sortedBy(services, ({ hostname }) => hostname).flatMap((service) => {
    const ips = addressesOf(service);
    if (ips.length === 0 || service.hostname.startsWith('*')) return [];
    const { hostname, name, namespace, registry } = service;
    const short = registry === 'Kubernetes' ? { shortname: name, namespace } : {};
    return [[hostname, create(NameTable_NameInfoSchema, { ips: [...ips], registry, ...short })] as const];
  });
  return toResource(
    NameTableSchema,
    create(NameTableSchema, { table: Object.fromEntries(entries) }),
    TYPE_URLS.nameTable,
  );
}

function addressesOf({ addresses, headless, endpoints }: MeshService): readonly string[] {
  const all = headless ? endpoints.map(({ address }) => address) : addresses;
  return sortedUnique(all.filter(isAddress));
}
