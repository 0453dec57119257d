import { create } from '@bufbuild/protobuf';
import { type Resource, toResource, TYPE_URLS } from '#proto';
import { ClusterLoadAssignmentSchema } from '#proto-gen/envoy/config/endpoint/v3/endpoint_pb';
import { RouteConfigurationSchema } from '#proto-gen/envoy/config/route/v3/route_pb';
import { resourceSet, servedFrom, type Served } from './served.js';

type Absent = (name: string) => Resource;

/** Answers to names that do not exist, for types whose client would wait for one for ever. */
const absent: ReadonlyMap<string, Absent> = new Map<string, Absent>([
  [
    TYPE_URLS.endpoints,
    (name) => toResource(ClusterLoadAssignmentSchema, create(ClusterLoadAssignmentSchema, { clusterName: name }), name),
  ],
  [TYPE_URLS.route, (name) => toResource(RouteConfigurationSchema, create(RouteConfigurationSchema, { name }), name)],
]);

/** A snapshot (by type URL, then by name) as streams take it. */
export function servedFromSnapshot(snapshot: ReadonlyMap<string, ReadonlyMap<string, Resource>>): Served {
  return servedFrom(
    new Map(
      [...snapshot].map(([typeUrl, resources]) => [typeUrl, resourceSet(resources.values(), absent.get(typeUrl))]),
    ),
  );
}
