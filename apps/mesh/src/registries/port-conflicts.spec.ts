import { describe, expect, it } from '@jest/globals';
import type { Service } from '#istio-api';
import { portConflicts } from './port-conflicts.js';

const service = (name: string, ports: readonly number[], namespace = 'demo'): Service =>
  ({ metadata: { namespace, name }, spec: { ports: ports.map((port) => ({ port, name: `p${port}` })) } }) as Service;
const told = (own: readonly Service[], remotes: Readonly<Record<string, readonly Service[]>>): object =>
  Object.fromEntries(
    portConflicts(
      own,
      Object.entries(remotes).map(([clusterID, services]) => ({ clusterID, services })),
      new Set(['isthmus-system']),
    ),
  );

describe('portConflicts', () => {
  it('tells of ports that our Service of that name lacks', () => {
    expect(told([service('echo', [80])], { west: [service('echo', [80, 8081])] })).toEqual({
      west: [expect.stringMatching(/^Service demo\/echo: 8081 there, 80 here, which counts/)],
    });
  });
  it('tells of what the first cluster lacks, where we have no such Service', () => {
    expect(told([], { west: [service('echo', [81])], north: [service('echo', [80])] })).toEqual({
      west: [expect.stringMatching(/^Service demo\/echo: 81 there, 80 in north/)],
    });
  });
  it.each<[string, Service, Service]>([
    ['the same ports', service('echo', [80]), service('echo', [80])],
    ['fewer there', service('echo', [80, 81]), service('echo', [80])],
    ['the control plane’s own namespace', service('x', [80], 'isthmus-system'), service('x', [81], 'isthmus-system')],
    ['a namespace that Kubernetes keeps', service('x', [80], 'kube-system'), service('x', [81], 'kube-system')],
    ['the API server', service('kubernetes', [443], 'default'), service('kubernetes', [6443], 'default')],
  ])('says nothing of %s', (_what, here, there) => {
    expect(told([here], { west: [there] })).toEqual({});
  });
  it('bounds what it tells', () => {
    const many = Array.from({ length: 50 }, (_unused, index) => `s${100 + index}`);
    const { west } = told(
      many.map((name) => service(name, [80])),
      { west: many.map((name) => service(name, [81])) },
    ) as { west: readonly string[] };
    expect(west).toHaveLength(21);
    expect(west.at(-1)).toBe('30 more Services differ in ports');
  });
});
