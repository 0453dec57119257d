import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { ClusterSchema } from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '#proto-gen/envoy/service/discovery/v3/discovery_pb';
import { toResource } from './codec.js';
import {
  decodeDeltaDiscoveryRequest,
  decodeDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryResponse,
} from './discovery.js';
import { TYPE_URLS } from './type-urls.js';

const resource = (name: string): ReturnType<typeof toResource> =>
  toResource(ClusterSchema, create(ClusterSchema, { name }), name);

describe('responses framed by hand', () => {
  it('state of the world: reads back as the message it is', () => {
    const bytes = encodeDiscoveryResponse({
      versionInfo: 'v',
      typeUrl: TYPE_URLS.cluster,
      nonce: 'n',
      resources: [resource('a'), resource('b')],
    });
    const message = fromBinary(DiscoveryResponseSchema, bytes);
    expect([message.versionInfo, message.typeUrl, message.nonce]).toEqual(['v', TYPE_URLS.cluster, 'n']);
    expect(message.resources.map((any) => fromBinary(ClusterSchema, any.value).name)).toEqual(['a', 'b']);
    expect(toBinary(DiscoveryResponseSchema, message)).toEqual(bytes);
  });

  it('incremental: names, versions, lifetimes and removals', () => {
    const one = { ...resource('a'), ttl: 30 };
    const bytes = encodeDeltaDiscoveryResponse({
      systemVersionInfo: 's',
      typeUrl: TYPE_URLS.cluster,
      nonce: 'n',
      resources: [one],
      removedResources: ['x', 'y'],
    });
    const message = fromBinary(DeltaDiscoveryResponseSchema, bytes);
    expect(message).toMatchObject({ systemVersionInfo: 's', nonce: 'n', removedResources: ['x', 'y'] });
    expect(message.resources[0]).toMatchObject({ name: 'a', version: one.version, ttl: { seconds: 30n } });
    expect(message.resources[0]?.resource?.typeUrl).toBe(TYPE_URLS.cluster);
  });
});

describe('requests', () => {
  it('are read', () => {
    const sotw = toBinary(
      DiscoveryRequestSchema,
      create(DiscoveryRequestSchema, { typeUrl: 't', resourceNames: ['a'] }),
    );
    expect(decodeDiscoveryRequest(sotw)).toMatchObject({ typeUrl: 't', resourceNames: ['a'] });
    const delta = toBinary(
      DeltaDiscoveryRequestSchema,
      create(DeltaDiscoveryRequestSchema, { typeUrl: 't', resourceNamesSubscribe: ['*'] }),
    );
    expect(decodeDeltaDiscoveryRequest(delta)).toMatchObject({ resourceNamesSubscribe: ['*'] });
  });
  it('that are not protobuf are refused', () => {
    expect(() => decodeDiscoveryRequest(Uint8Array.of(255, 255, 255))).toThrow();
  });
});

describe('toResource', () => {
  it('has one version for one content', () => {
    expect(resource('a')).toEqual(resource('a'));
    expect(resource('a').version).not.toBe(resource('b').version);
  });
});
