import { describe, expect, it } from '@jest/globals';
import { echo, headless, imported } from '../model.fixture.js';
import { domainsFor, virtualHostFor } from './virtual-host.js';

describe('domainsFor', () => {
  it('gives short names in the own namespace', () => {
    expect(domainsFor(echo, 'demo.svc.cluster.a')).toEqual([
      'echo.demo.svc.cluster.a',
      'echo',
      'echo.demo',
      'echo.demo.svc',
      'echo.demo.svc.cluster.a.',
      '10.96.0.10',
    ]);
  });
  it('gives names with the namespace elsewhere', () => {
    const domains = domainsFor(echo, 'other.svc.cluster.a');
    expect(domains).toContain('echo.demo');
    expect(domains).not.toContain('echo');
  });
  it("gives a peer's service its full name only", () => {
    expect(domainsFor(imported, 'store.svc.cluster.a')).toEqual([
      'shop.store.svc.cluster.b',
      'shop.store.svc.cluster.b.',
      '240.240.0.1',
    ]);
  });
  it('takes single pods of a headless service too', () => {
    expect(domainsFor(headless, 'demo.svc.cluster.a')).toContain('*.db.demo.svc.cluster.a');
  });
  it('puts IPv6 addresses in brackets', () => {
    expect(domainsFor({ ...echo, addresses: ['fd00::1'] }, 'x')).toContain('[fd00::1]');
  });
});

describe('virtualHostFor', () => {
  const retries = (service: typeof echo): readonly unknown[] =>
    (virtualHostFor(service, 80, [service.hostname]).routes ?? []).map((route) =>
      route.action?.case === 'route' ? route.action.value.retryPolicy?.numRetries : undefined,
    );
  it('tries longer where a gateway’s address stands for several replicas', () => {
    expect(new Set(retries(imported))).toEqual(new Set([6]));
    expect(new Set(retries(echo))).toEqual(new Set([2]));
  });
  it('has one route, which alone repeats nothing that a server may have begun', () => {
    const routes = virtualHostFor(echo, 80, [echo.hostname]).routes ?? [];
    const retryOn = routes.map(({ action }) => (action?.case === 'route' ? action.value.retryPolicy?.retryOn : ''));
    expect(retryOn).toHaveLength(1);
    expect(retryOn[0]?.split(',')).not.toContain('reset');
  });
});
