import { create, fromBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from '@jest/globals';
import { RouteConfigurationSchema } from '#proto-gen/envoy/config/route/v3/route_pb';
import { VirtualHostSchema } from '#proto-gen/envoy/config/route/v3/route_components_pb';
import { encoded, toResource, toResourceWithParts, type Resource } from './codec.js';

const hosts = ['a', 'b', 'c'].map((name) => ({ name, domains: [`${name}.example`, `${name}.example.`] }));
const read = ({ bytes }: Resource): unknown => fromBinary(RouteConfigurationSchema, fromBinary(AnySchema, bytes).value);

describe('a resource put together from encoded parts', () => {
  it('says what the same message encoded at once says', () => {
    const rest = create(RouteConfigurationSchema, { name: '80', ignorePortInHostMatching: true });
    const whole = create(RouteConfigurationSchema, {
      ...{ name: '80', ignorePortInHostMatching: true },
      virtualHosts: hosts,
    });
    const parts = hosts.map((host) => encoded(VirtualHostSchema, host));
    const made = toResourceWithParts(RouteConfigurationSchema, rest, '80', { field: 'virtualHosts', parts });
    const wanted = toResource(RouteConfigurationSchema, whole, '80');
    expect(read(made)).toEqual(read(wanted));
    expect([made.typeUrl, made.name]).toEqual([wanted.typeUrl, wanted.name]);
  });
  it('names a field that is not there', () => {
    const rest = create(RouteConfigurationSchema, { name: '80' });
    expect(() => toResourceWithParts(RouteConfigurationSchema, rest, '80', { field: 'hosts', parts: [] })).toThrow(
      'envoy.config.route.v3.RouteConfiguration has no field hosts',
    );
  });
});
