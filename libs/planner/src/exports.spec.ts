import { describe, expect, it } from '@jest/globals';
import { localService, pod, publicLabel } from '#testing';
import { exportsFor } from './exports.js';
import type { ExportsInput } from './exports.js';
import { localServiceFrom } from './local-service.js';
import type { LocalService } from './local-service.js';
import { workloadIndex } from './workload-index.js';

const hosts = (over: Partial<ExportsInput>): readonly string[] => run(over).services.map(({ hostname }) => hostname);
const run = (over: Partial<ExportsInput>) =>
  exportsFor({ label: publicLabel, clusterDomain: 'a.example', services: [], subjectAltNames: () => [], ...over });

const echo = localService();
const shop = localService({ namespace: 'shop', name: 'cart', labels: { [publicLabel]: 'false', tier: 'front' } });
const secret = localService({ name: 'secret', labels: {} });
const all = [shop, secret, echo];

describe('exportsFor: which Services', () => {
  it.each<[string, ExportsInput['exports'], readonly string[]]>([
    ['every labelled one, whatever the label says', undefined, ['echo.demo.svc.a.example', 'cart.shop.svc.a.example']],
    ['by namespace', { namespaces: ['shop'] }, ['cart.shop.svc.a.example']],
    ['none', { namespaces: [] }, []],
    ['by host', { hosts: ['echo.demo.svc.a.example'] }, ['echo.demo.svc.a.example']],
    ['by suffix', { hosts: ['*.shop.svc.a.example'] }, ['cart.shop.svc.a.example']],
    ['by no host', { hosts: [] }, []],
    ['by selector', { serviceSelector: { matchLabels: { tier: 'front' } } }, ['cart.shop.svc.a.example']],
    ['all conditions together', { namespaces: ['demo'], serviceSelector: { matchLabels: { tier: 'front' } } }, []],
    ['an unlabelled one never', { hosts: ['secret.demo.svc.a.example'] }, []],
  ])('%s', (_name, exports, expected) => {
    expect(hosts({ services: all, exports })).toEqual(expected);
  });
});

describe('exportsFor: ports', () => {
  const port = (name: string | undefined, number: number, more: object = {}) => ({
    ...(name === undefined ? {} : { name }),
    port: number,
    targetPort: number,
    protocol: 'TCP',
    ...more,
  });

  it('declares what is known and leaves the rest to the reader, in order of number', () => {
    const ports = [
      port('grpc-api', 9000),
      port('http', 80),
      port('odd', 81),
      port('redis', 6379),
      port('dns', 53, { protocol: 'UDP' }),
    ];
    expect(run({ services: [localService({ ports })] }).services[0]?.ports).toEqual([
      { name: 'http', port: 80, protocol: 'HTTP' },
      { name: 'odd', port: 81 },
      { name: 'redis', port: 6379, protocol: 'TCP' },
      { name: 'grpc-api', port: 9000, protocol: 'GRPC' },
    ]);
  });

  it.each<[string, LocalService['ports']]>([
    ['one port without a name', [port('http', 80), port(undefined, 81)]],
    ['an empty name', [port('', 80)]],
    ['UDP only', [port('dns', 53, { protocol: 'UDP' })]],
    ['no ports', []],
  ])('shares nothing of a Service with %s, and says so', (_name, ports) => {
    const { services, findings } = run({ services: [localService({ ports })] });
    expect([services, findings]).toMatchObject([[], [{ reason: 'PortUnnamed', subject: 'echo.demo.svc.a.example' }]]);
  });

  it.each<[string, Partial<LocalService>, RegExp]>([
    ['of type ExternalName', { external: true }, /is of type ExternalName.*take the label off/],
    ['without a selector', { selector: {} }, /has no selector.*select pods with a sidecar/],
    ['of ports of the sidecar alone', { ports: [port('x', 15090)] }, /no port but those of the sidecar/],
  ])('shares nothing of a Service %s, and says so once', (_name, over, message) => {
    const { services, findings } = run({
      services: [localService(over)],
      hasMeshEndpoints: () => over.ports === undefined,
    });
    expect(services).toEqual([]);
    expect(findings).toEqual([
      { reason: 'ServiceInvalid', subject: 'echo.demo.svc.a.example', message: expect.stringMatching(message) },
    ]);
  });

  it('leaves out ports that a sidecar keeps for itself, as number or as target, and says which', () => {
    const ports = [port('http', 80), ...[15000, 15001, 15006, 15020, 15021, 15090].map((n) => port(`p${n}`, n))];
    const service = localService({ ports: [...ports, port('stats', 8090, { targetPort: 15020 })] });
    const { services, findings } = run({ services: [service] });
    expect(services[0]?.ports.map(({ port: number }) => number)).toEqual([80]);
    expect(findings).toMatchObject([{ reason: 'ServiceInvalid' }]);
    expect(findings[0]?.message).toMatch(/15090 \(to 15090\), 8090 \(to 15020\); .* give them other numbers/);
  });

  it.each<[string, Partial<LocalService>, number, RegExp]>([
    ['65 ports', { ports: Array.from({ length: 65 }, (_unused, n) => port(`p${n}`, 1000 + n)) }, 1, /has 65 ports/],
    ['pods of 65 accounts', {}, 65, /of 65 service accounts, of which a document takes 64/],
  ])('does not share what readers of the document would leave out: %s', (_name, over, accounts, message) => {
    const subjectAltNames = (): readonly string[] =>
      Array.from({ length: accounts }, (_unused, n) => `spiffe://a.example/ns/demo/sa/s${n}`);
    const { services, findings } = run({ services: [localService(over)], subjectAltNames });
    expect(services).toEqual([]);
    expect(findings).toMatchObject([{ reason: 'ServiceInvalid', message: expect.stringMatching(message) }]);
  });

  it('has one finding for each of many Services on one port, bounded, after all others', () => {
    const many = Array.from({ length: 120 }, (_unused, index) =>
      localService({ name: `s${100 + index}`, selector: { app: 'one' } }),
    );
    const { findings } = run({ services: many, hasMeshEndpoints: ({ name }) => name !== 's219' });
    expect(findings.map(({ reason }) => reason)).toEqual(['NoMeshEndpoints', ...many.map(() => 'SharedTargetPort')]);
    expect(findings[1]?.message).toMatch(/^Service demo\/s100 shares .* s101, s102, s103, s104, s105 and others of/);
  });

  it.each<[string, Partial<LocalService>, number]>([
    ['the same port of the same workloads', {}, 1],
    ['a wider selector', { selector: { app: 'echo', track: 'blue' } }, 1],
    ['other workloads', { selector: { app: 'other' } }, 0],
    ['another target port', { ports: [port('http', 80, { targetPort: 9999 })] }, 0],
    ['another namespace', { namespace: 'other' }, 0],
    ['no selector, so that it stands for no pods', { selector: {} }, 0],
  ])('tells of an unlabelled Service on %s', (_name, over, count) => {
    const other = localService({ name: 'other', labels: {}, selector: { app: 'echo' }, ...over });
    const { findings } = run({ services: [echo, other] });
    expect(findings.filter(({ reason }) => reason === 'SharedTargetPort')).toHaveLength(count);
  });
});

describe('exportsFor: workloads', () => {
  const pods = [pod(), pod({ metadata: { name: 'bare', namespace: 'shop', labels: { app: 'cart' } } })];
  const index = workloadIndex(pods, 'a.example');

  it('names identities, and announces what has no sidecar with a finding', () => {
    const { services, findings } = run({
      services: all,
      subjectAltNames: index.subjectAltNames,
      hasMeshEndpoints: index.hasMeshEndpoints,
    });
    expect(services.map(({ subjectAltNames }) => subjectAltNames)).toEqual([
      ['spiffe://a.example/ns/demo/sa/echo'],
      ['spiffe://a.example/ns/shop/sa/echo'],
    ]);
    expect(findings).toMatchObject([{ reason: 'NoMeshEndpoints', subject: 'cart.shop.svc.a.example' }]);
  });

  it('leaves identities out while there are no pods', () => {
    expect(run({ services: [echo] }).services[0]).not.toHaveProperty('subjectAltNames');
  });

  it('finds named target ports on each pod, and no pod that has ended', () => {
    const named = (name: string, containerPort: number, phase = 'Running') =>
      pod({
        spec: { containers: [{ name: 'app', ports: [{ name: 'web', containerPort }] }] },
        status: { phase },
        metadata: { name, namespace: 'demo', labels: { app: 'echo' } },
      });
    const of = workloadIndex([named('x', 81), named('y', 80), named('z', 79, 'Succeeded')], 'a.example');
    expect([of.targetPorts(echo, 'web'), of.targetPorts(echo, 8080), of.targetPorts(echo, 'none')]).toEqual([
      [80, 81],
      [8080],
      [],
    ]);
    expect(of.subjectAltNames(localServiceFrom({ metadata: { name: 'x', namespace: 'demo' } }))).toEqual([]);
  });
});

describe('localServiceFrom', () => {
  it('fills in what Kubernetes means by absence', () => {
    expect(
      localServiceFrom({ metadata: { name: 'x', namespace: 'n' }, spec: { ports: [{ port: 80 }], selector: {} } }),
    ).toEqual({
      namespace: 'n',
      name: 'x',
      labels: {},
      annotations: {},
      ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
      clusterIP: '',
      createdAt: '',
    });
  });
});
