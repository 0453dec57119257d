import { fromBinary } from '@bufbuild/protobuf';
import { AnySchema, anyUnpack } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from '@jest/globals';
import { TYPE_URLS } from '#proto';
import { ClusterLoadAssignmentSchema } from '#proto-gen/envoy/config/endpoint/v3/endpoint_pb';
import { RouteConfigurationSchema } from '#proto-gen/envoy/config/route/v3/route_pb';
import { servedFromSnapshot } from './from-snapshot.js';

const empty = servedFromSnapshot(new Map(Object.values(TYPE_URLS).map((typeUrl) => [typeUrl, new Map()])));

describe('a snapshot as streams take it', () => {
  it('answers unknown endpoints with an empty assignment of that name', () => {
    const resource = empty.set(TYPE_URLS.endpoints)?.resource('outbound|80||gone.example');
    const any = fromBinary(AnySchema, resource?.bytes ?? new Uint8Array());
    const assignment = anyUnpack(any, ClusterLoadAssignmentSchema);
    expect(assignment).toMatchObject({ clusterName: 'outbound|80||gone.example', endpoints: [] });
  });

  it('answers unknown routes with a configuration without virtual hosts', () => {
    const resource = empty.set(TYPE_URLS.route)?.resource('8080');
    const route = anyUnpack(fromBinary(AnySchema, resource?.bytes ?? new Uint8Array()), RouteConfigurationSchema);
    expect(route).toMatchObject({ name: '8080', virtualHosts: [] });
  });

  it.each(['cluster', 'listener', 'secret', 'nameTable'] as const)('has no answer to an unknown %s', (word) =>
    expect(empty.set(TYPE_URLS[word])?.resource('x')).toBeUndefined(),
  );

  it('does not serve types that the snapshot lacks', () => {
    expect(empty.set('type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig')).toBeUndefined();
  });
});
