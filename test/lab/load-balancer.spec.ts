import { describe, expect, it } from '@jest/globals';
import { addressAnnotation, wantedAddresses } from './load-balancer.js';

const east = { range: '10.10.1' };

function service(name: string, type: string, given: { readonly address?: string; readonly wants?: string } = {}) {
  return {
    metadata: {
      name,
      namespace: 'demo',
      ...(given.wants === undefined ? {} : { annotations: { [addressAnnotation]: given.wants } }),
    },
    spec: { type },
    status: { loadBalancer: given.address === undefined ? {} : { ingress: [{ ip: given.address }] } },
  };
}

function changes(...services: ReturnType<typeof service>[]): readonly (readonly [string, string | undefined])[] {
  return wantedAddresses(east, services).map(({ service: { metadata }, address }) => [metadata.name, address] as const);
}

describe('wantedAddresses', () => {
  it('gives LoadBalancer Services the free addresses in turn and leaves the others alone', () => {
    expect(changes(service('a', 'LoadBalancer'), service('b', 'ClusterIP'), service('c', 'LoadBalancer'))).toEqual([
      ['a', '10.10.1.20'],
      ['c', '10.10.1.21'],
    ]);
  });

  it('keeps what was given and never gives it twice', () => {
    expect(changes(service('a', 'LoadBalancer', { address: '10.10.1.20' }), service('b', 'LoadBalancer'))).toEqual([
      ['b', '10.10.1.21'],
    ]);
  });

  it('honours a wanted address and takes an address back when the type changes', () => {
    expect(
      changes(
        service('door', 'LoadBalancer', { wants: '10.10.1.10' }),
        service('old', 'ClusterIP', { address: '10.10.1.30' }),
      ),
    ).toEqual([
      ['door', '10.10.1.10'],
      ['old', undefined],
    ]);
  });
});
