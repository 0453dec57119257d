import { describe, expect, it } from '@jest/globals';
import { contains, isApplied, withAppliedDigest } from './apply.js';
import { kubeErrorFrom } from './errors.js';
import { objectIdentity, pathFor, pathOfObject, resourceOf, resources } from './resource.js';

describe('contains', () => {
  const cases: readonly [string, unknown, unknown, boolean][] = [
    ['equal scalars', 1, 1, true],
    ['other scalar', 1, 2, false],
    ['type matters', '1', 1, false],
    ['map may hold more', { a: 1, b: 2 }, { a: 1 }, true],
    ['map lacks a field', { b: 2 }, { a: 1 }, false],
    ['list of defaulted maps', [{ port: 80, protocol: 'TCP' }], [{ port: 80 }], true],
    ['list is longer', [1, 2], [1], false],
    ['list order matters', [2, 1], [1, 2], false],
    ['undefined is not desired', {}, { a: undefined }, true],
    ['empty map dropped by the server', {}, { a: {} }, true],
    ['nested map missing', {}, { a: { b: 1 } }, false],
    ['scalar where a map should be', { a: 1 }, { a: { b: 1 } }, false],
  ];
  it.each(cases)('%s', (_name, whole, part, expected) => {
    expect(contains(whole, part)).toBe(expected);
  });
});

describe('isApplied', () => {
  const desired = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'n' }, data: { x: '1' } };
  const live = { ...withAppliedDigest(desired), metadata: { ...withAppliedDigest(desired).metadata, uid: 'u' } };

  it('holds for what was applied', () => expect(isApplied(desired, live)).toBe(true));
  it('does not depend on the order of fields', () =>
    expect(
      isApplied(
        { data: { x: '1' }, metadata: { namespace: 'n', name: 'a' }, kind: 'ConfigMap', apiVersion: 'v1' } as never,
        live,
      ),
    ).toBe(true));
  it('sees a field that is no longer desired', () =>
    expect(isApplied({ ...desired, data: {} } as never, live)).toBe(false));
  it('sees drift', () => expect(isApplied(desired, { ...live, data: { x: '2' } } as never)).toBe(false));
  it('remembers what was applied, not that something was', () => {
    const other = { ...desired, data: { x: '2' } } as never;
    const answers = [desired, other, desired, other].map((each) => isApplied(each, live));
    expect(answers).toEqual([true, false, true, false]);
  });
  it('sees an object that was never applied', () => expect(isApplied(desired, desired)).toBe(false));
});

describe('resource paths', () => {
  it('follow the API conventions', () => {
    expect(pathFor(resources.secrets, { namespace: 'a', name: 'b' })).toBe('/api/v1/namespaces/a/secrets/b');
    expect(pathFor(resources.nodes)).toBe('/api/v1/nodes');
    expect(pathFor(resources.services)).toBe('/api/v1/services');
    expect(
      pathOfObject({ apiVersion: 'isthmus.dev/v1alpha1', kind: 'IstioFederation', metadata: { name: 'b' } }, 'status'),
    ).toBe('/apis/isthmus.dev/v1alpha1/istiofederations/b/status');
  });
  it('take the version from the object', () => {
    const entry = {
      apiVersion: 'networking.istio.io/v1beta1',
      kind: 'ServiceEntry',
      metadata: { name: 'x', namespace: 'n' },
    };
    expect(pathOfObject(entry)).toBe('/apis/networking.istio.io/v1beta1/namespaces/n/serviceentries/x');
    expect(objectIdentity(entry)).toBe(objectIdentity({ ...entry, apiVersion: 'networking.istio.io/v1' }));
  });
  it('name what is missing', () => {
    expect(() => pathOfObject({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } })).toThrow(
      'metadata.namespace',
    );
    expect(() => resourceOf({ apiVersion: 'v1', kind: 'Nonsense' })).toThrow('libs/kube/src/resource.ts');
  });
  it.each([
    ['DestinationRule', 'destinationrules'],
    ['AuthorizationPolicy', 'authorizationpolicies'],
    ['Gateway', 'gateways'],
    ['Ingress', undefined],
  ])('%s', (kind, plural) => {
    const found = Object.values(resources).find((resource) => resource.kind === kind);
    expect(found?.plural).toBe(plural);
  });
});

describe('kubeErrorFrom', () => {
  const request = { method: 'GET', path: '/x' };
  it.each([
    [401, 'UnauthorizedError'],
    [403, 'ForbiddenError'],
    [404, 'NotFoundError'],
    [409, 'ConflictError'],
    [410, 'GoneError'],
    [422, 'InvalidError'],
    [500, 'KubeApiError'],
  ])('%i is a %s', (status, name) => {
    const error = kubeErrorFrom(status, JSON.stringify({ reason: 'R', message: 'why' }), request);
    expect(error.name).toBe(name);
    expect(error.message).toContain(`GET /x: ${status} R: why`);
  });
  it('copes with bodies that are no Status', () => {
    expect(kubeErrorFrom(503, '<html>', request).message).toBe('GET /x: 503 HTTP503: <html>');
  });
});
