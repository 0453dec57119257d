import { describe, expect, it } from '@jest/globals';
import type { PublicService } from '#model';
import { admitOffer, isServiceOf } from './admit-offer.js';
import type { OfferInput } from './admit-offer.js';

const http = { name: 'http', port: 80, protocol: 'HTTP' };
const service = (hostname: string, over: Partial<PublicService> = {}): PublicService => ({
  hostname,
  ports: [http],
  ...over,
});
const admit = (services: readonly PublicService[], over: Partial<OfferInput> = {}) =>
  admitOffer({ services, trustDomain: 'b.td', clusterDomain: 'b.example', ownClusterDomain: 'a.example', ...over });
const echo = 'echo.demo.svc.b.example';

describe('admitOffer: names', () => {
  it.each([
    ['a service of ours', 'echo.demo.svc.a.example'],
    ["another peer's", 'echo.demo.svc.c.example'],
    ['a public name', 'api.example.com'],
    ['everything', '*'],
    ['a wildcard of its own', '*.demo.svc.b.example'],
    ['a wildcard namespace', '*.svc.b.example'],
    ['its bare domain', 'svc.b.example'],
    ['one label too few', 'echo.svc.b.example'],
    ['one label too many', 'x.echo.demo.svc.b.example'],
    ['a name that only ends alike', 'echo.demo.svc.notb.example'],
    ['capitals', 'Echo.demo.svc.b.example'],
    ['a trailing dot', 'echo.demo.svc.b.example.'],
    ['an underscore', 'ec_ho.demo.svc.b.example'],
    ['a line break', 'echo\n.demo.svc.b.example'],
    ['a space', 'echo demo.svc.b.example'],
    ['an empty label', '.demo.svc.b.example'],
    ['a label of 64', `${'e'.repeat(64)}.demo.svc.b.example`],
    ['nothing', ''],
    ['a very long name', `${'e.'.repeat(5000)}svc.b.example`],
    ['an address', '10.0.0.1'],
  ])('refuses %s', (_name, hostname) => {
    const { services, findings } = admit([service(hostname)]);
    expect([services, findings]).toMatchObject([[], [{ reason: 'DomainConflict' }]]);
    expect(findings[0]?.subject?.length).toBeLessThanOrEqual(253);
  });

  it('admits names below its own domain, sorted, and keeps them when others are refused', () => {
    const { services } = admit([service('z.demo.svc.b.example'), service('evil.com'), service(echo)]);
    expect(services.map(({ hostname }) => hostname)).toEqual([echo, 'z.demo.svc.b.example']);
  });

  it('admits nothing of a peer that shares our cluster domain', () => {
    const { services, findings } = admit([service('echo.demo.svc.a.example')], { clusterDomain: 'a.example' });
    expect([services, findings[0]?.reason]).toEqual([[], 'DomainConflict']);
  });

  it('knows a service name from a longer one', () => {
    expect([isServiceOf('b', 'x.y.svc.b'), isServiceOf('b', 'x.y.svc.c.svc.b')]).toEqual([true, false]);
  });
});

describe('admitOffer: what is imported', () => {
  it.each<[string, OfferInput['imports'], number]>([
    ['everything by default', undefined, 2],
    ['by host', { hosts: [echo] }, 1],
    ['by suffix', { hosts: ['*.demo.svc.b.example'] }, 2],
    ['nothing', { hosts: [] }, 0],
  ])('%s', (_name, imports, count) => {
    const { services, findings } = admit([service(echo), service('x.demo.svc.b.example')], { imports });
    expect([services.length, findings]).toEqual([count, []]);
  });

  it.each<[string, PublicService['ports'], number, string | undefined]>([
    ['two names', [http, { name: 'grpc', port: 81 }], 2, undefined],
    ['one name twice', [http, { name: 'http', port: 81 }], 1, 'PortConflict'],
    ['one number twice', [http, { name: 'web', port: 80 }], 1, 'PortConflict'],
    ['number 0', [http, { name: 'x', port: 0 }], 1, 'ServiceInvalid'],
    ['number 65536', [http, { name: 'x', port: 65_536 }], 1, 'ServiceInvalid'],
    ['half a number', [http, { name: 'x', port: 1.5 }], 1, 'ServiceInvalid'],
    ['a name with a space', [http, { name: 'x y', port: 81 }], 1, 'ServiceInvalid'],
    ['an empty name', [http, { name: '', port: 81 }], 1, 'ServiceInvalid'],
    ['one of a sidecar itself', [http, { name: 'x', port: 15_021 }], 1, 'ServiceInvalid'],
    ['__proto__', [http, { name: '__proto__', port: 81 }], 1, 'ServiceInvalid'],
  ])('ports: %s', (_name, ports, count, reason) => {
    const { services, findings } = admit([service(echo, { ports })]);
    expect([services[0]?.ports.length, findings[0]?.reason]).toEqual([count, reason]);
  });

  it.each<[string, PublicService[], number]>([
    ['no ports', [service(echo, { ports: [] })], 0],
    [
      '129 ports',
      [service(echo, { ports: Array.from({ length: 129 }, (_, i) => ({ name: `p${i}`, port: i + 1 })) })],
      0,
    ],
    ['only a port of a sidecar itself', [service(echo, { ports: [{ name: 'x', port: 15_001 }] })], 0],
    ['only unusable ports', [service(echo, { ports: [{ name: '!', port: 1 }] })], 0],
    ['a name twice', [service(echo), service(echo)], 1],
  ])('refuses a service with %s', (_name, offered, count) => {
    const { services, findings } = admit(offered);
    expect([services.length, findings[0]?.reason]).toEqual([count, 'ServiceInvalid']);
  });

  it('takes only identities of its own trust domain', () => {
    const own = 'spiffe://b.td/ns/demo/sa/echo';
    const foreign = 'spiffe://a.td/ns/demo/sa/echo';
    expect(admit([service(echo, { subjectAltNames: [own, foreign] })]).services[0]?.subjectAltNames).toEqual([own]);
    expect(admit([service(echo, { subjectAltNames: [foreign] })])).toMatchObject({
      services: [],
      findings: [{ reason: 'ServiceInvalid' }],
    });
    expect(admit([service(echo, { subjectAltNames: ['spiffe://b.td.evil/ns/x/sa/y'] })]).services).toEqual([]);
    expect(admit([service(echo, { subjectAltNames: [] })]).services[0]).not.toHaveProperty('subjectAltNames');
  });

  it('stays quick with 10,000 services', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => service(`s${i}.demo.svc.b.example`));
    expect(admit(many).services).toHaveLength(10_000);
  });
});
