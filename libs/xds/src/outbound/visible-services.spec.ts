import { describe, expect, it } from '@jest/globals';
import { echo, model, service } from '../model.fixture.js';
import { servicesWithEffectiveTls, visibleServices } from './visible-services.js';

describe('visibleServices', () => {
  const twin = (namespace: string, createdAt: number): ReturnType<typeof service> =>
    service({ name: 'x', hostname: 'x.example', registry: 'External', namespace, createdAt });

  it('honours exportTo', () => {
    const own = service({ name: 'own', exportTo: ['.'] });
    const named = service({ name: 'named', exportTo: ['a'] });
    const seen = (namespace: string): readonly string[] =>
      visibleServices([own, named], namespace).map(({ name }) => name);
    expect([seen('demo'), seen('a'), seen('b')]).toEqual([['named', 'own'], ['named'], []]);
  });
  it('prefers the client’s namespace, then the older, and a Kubernetes Service to both', () => {
    const winner = (...rest: ReturnType<typeof service>[]): string | undefined =>
      visibleServices([twin('a', 2), twin('b', 1), ...rest], 'a')[0]?.namespace;
    expect(winner()).toBe('a');
    expect(visibleServices([twin('a', 2), twin('b', 1)], 'c')[0]?.namespace).toBe('b');
    expect(winner({ ...twin('d', 9), registry: 'Kubernetes' })).toBe('d');
  });
});

describe('servicesWithEffectiveTls', () => {
  it('takes mutual TLS from endpoints whose workload has it turned off on that port', () => {
    const off = {
      name: 'off',
      namespace: 'demo',
      createdAt: 1,
      selector: { app: 'echo' },
      portModes: { 8080: 'DISABLE' as const },
    };
    const services = servicesWithEffectiveTls({ ...model, services: [echo], peerAuthentications: [off] });
    const modes = services[0]?.endpoints
      .filter(({ address }) => address === '10.1.0.5')
      .map(({ port, tlsMode }) => [port, tlsMode]);
    expect(modes).toEqual([
      [8080, 'disabled'],
      [7070, 'istio'],
      [9000, 'istio'],
      [9999, 'istio'],
    ]);
  });
});
