import { describe, expect, it } from '@jest/globals';
import {
  decodeFederationDocument,
  decodeMulticlusterDocument,
  decodePublicDocument,
  encodeFederationDocument,
  encodeMulticlusterDocument,
  encodePublicDocument,
  federationContent,
  limits,
} from './index.js';
import type { Decoded, Fault } from './index.js';

const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
const publicDocument = { clusterUUID: 'b2f1-uuid', authnKeyPub: pem, rootCA: pem };
const service = { hostname: 'echo.demo.svc.b.example', ports: [{ name: 'http', port: 80 }] };

function faultsOf(decoded: Decoded<unknown>): readonly Fault[] {
  return decoded.ok ? [] : decoded.faults;
}

function federation(fields: object): {
  services: readonly unknown[];
  gateways: readonly unknown[];
  faults: readonly Fault[];
} {
  const decoded = decodeFederationDocument(JSON.stringify(fields));
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.faults));
  return {
    services: decoded.value.publicServices,
    gateways: decoded.value.ingressGateways,
    faults: decoded.value.faults,
  };
}

/** Processor time of the cheapest of five runs, µs. */
function leastCpu(work: () => unknown): number {
  const runs = Array.from({ length: 5 }, () => {
    const start = process.cpuUsage();
    work();
    return process.cpuUsage(start).user;
  });
  return Math.max(1, Math.min(...runs));
}

describe('whole documents', () => {
  it.each<[string, string, string]>([
    ['empty', '', 'not whole JSON'],
    ['cut off', '{"clusterUUID":"a', 'not whole JSON'],
    ['a page', '<html></html>', 'not whole JSON'],
    ['a list', '[]', 'must be a JSON object'],
    ['null', 'null', 'must be a JSON object'],
    ['a text', '"x"', 'must be a JSON object'],
    ['deeply nested', `{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'nested deeper'],
    ['nested, never closed', '['.repeat(1_000_000), 'nested deeper'],
    ['too large', `{"x":"${'x'.repeat(17 * 1024 * 1024)}"}`, 'larger than'],
    ['too many values', `{"x":[${'0,'.repeat(2_000_001)}0]}`, 'values'],
  ])('%s', (_name, text, why) => {
    const start = process.cpuUsage();
    for (const decode of [decodePublicDocument, decodeFederationDocument, decodeMulticlusterDocument]) {
      const faults = faultsOf(decode(text));
      const expected =
        decode === decodePublicDocument && text.length > limits.publicDocumentBytes ? 'larger than' : why;
      expect(faults[0]).toMatchObject({ reason: 'DocumentInvalid', message: expect.stringContaining(expected) });
    }
    // What grows with the square of the input takes minutes.
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(10_000);
  });

  it('brackets inside texts are no nesting', () => {
    const text = JSON.stringify({ ...publicDocument, note: `\\"${'['.repeat(1000)}\\` });
    expect(decodePublicDocument(text).ok).toBe(true);
  });
});

describe('public document', () => {
  it.each<[string, object, string]>([
    ['no UUID', { authnKeyPub: pem, rootCA: pem }, 'clusterUUID'],
    ['UUID a number', { ...publicDocument, clusterUUID: 5 }, 'clusterUUID'],
    ['UUID empty', { ...publicDocument, clusterUUID: '' }, 'clusterUUID'],
    ['UUID with a path', { ...publicDocument, clusterUUID: '../x' }, 'clusterUUID'],
    ['UUID too long', { ...publicDocument, clusterUUID: 'x'.repeat(129) }, 'clusterUUID'],
    ['no key', { clusterUUID: 'a', rootCA: pem }, 'authnKeyPub'],
    ['key not PEM', { ...publicDocument, authnKeyPub: 'x' }, 'authnKeyPub'],
    ['root a list', { ...publicDocument, rootCA: [pem] }, 'rootCA'],
    ['root too long', { ...publicDocument, rootCA: pem + ' '.repeat(limits.pemCharacters) }, 'rootCA'],
    ['crl not PEM', { ...publicDocument, crl: 'x' }, 'crl'],
    ['signed an object', { ...publicDocument, signed: {} }, 'signed'],
  ])('refused: %s', (_name, document, field) => {
    expect(faultsOf(decodePublicDocument(JSON.stringify(document)))[0]).toMatchObject({
      field,
      reason: 'DocumentInvalid',
    });
  });

  it('passes over unknown fields and empty optional ones', () => {
    const text = JSON.stringify({ ...publicDocument, crl: '', signed: null, __proto__x: 1, more: { a: [1] } });
    expect(decodePublicDocument(text)).toEqual({ ok: true, value: publicDocument });
  });

  it('encodes in a fixed order and reads it again', () => {
    const document = { ...publicDocument, crl: pem, signed: 'a.b.c' };
    const shuffled = { signed: 'a.b.c', rootCA: pem, crl: pem, authnKeyPub: pem, clusterUUID: 'b2f1-uuid' };
    expect(encodePublicDocument(shuffled)).toBe(encodePublicDocument(document));
    expect(decodePublicDocument(encodePublicDocument(document))).toEqual({ ok: true, value: document });
  });
});

describe('federation document', () => {
  it.each<[string, unknown, Fault['reason'], string]>([
    ['wildcard', '*', 'DomainConflict', 'hostname'],
    ['wildcard suffix', '*.svc.b.example', 'DomainConflict', 'hostname'],
    ['upper case', 'Echo.demo.svc.b.example', 'DomainConflict', 'hostname'],
    ['space', 'echo demo', 'DomainConflict', 'hostname'],
    ['line break', 'echo.demo\n', 'DomainConflict', 'hostname'],
    ['underscore', 'a_b.demo.svc.b.example', 'DomainConflict', 'hostname'],
    ['dot at the end', 'echo.demo.svc.b.example.', 'DomainConflict', 'hostname'],
    ['two dots', 'echo..demo', 'DomainConflict', 'hostname'],
    ['label too long', `${'a'.repeat(64)}.demo`, 'DomainConflict', 'hostname'],
    ['too long', `${'a.'.repeat(130)}a`, 'DomainConflict', 'hostname'],
    ['homoglyph', 'есho.demo.svc.b.example', 'DomainConflict', 'hostname'],
    ['number', 5, 'DomainConflict', 'hostname'],
    ['missing', undefined, 'DomainConflict', 'hostname'],
  ])('hostname left out: %s', (_name, hostname, reason, field) => {
    const { services, faults } = federation({ publicServices: [service, { ...service, hostname }] });
    expect(services).toEqual([service]);
    expect(faults).toEqual([expect.objectContaining({ reason, field: `publicServices[1].${field}` })]);
    expect(faults[0]?.value.length).toBeLessThanOrEqual(82);
  });

  const port = { name: 'http', port: 80 };
  it.each<[string, unknown, readonly unknown[], Fault['reason']]>([
    [
      'number 0',
      [
        { ...port, port: 0 },
        { name: 'b', port: 81 },
      ],
      [{ name: 'b', port: 81 }],
      'ServiceInvalid',
    ],
    [
      'number too large',
      [
        { ...port, port: 65_536 },
        { name: 'b', port: 81 },
      ],
      [{ name: 'b', port: 81 }],
      'ServiceInvalid',
    ],
    [
      'number a text',
      [
        { ...port, port: '80' },
        { name: 'b', port: 81 },
      ],
      [{ name: 'b', port: 81 }],
      'ServiceInvalid',
    ],
    [
      'number a fraction',
      [
        { ...port, port: 80.5 },
        { name: 'b', port: 81 },
      ],
      [{ name: 'b', port: 81 }],
      'ServiceInvalid',
    ],
    ['no name', [{ port: 80 }, { name: 'b', port: 81 }], [{ name: 'b', port: 81 }], 'ServiceInvalid'],
    [
      'hostile name',
      [
        { ...port, name: 'a b' },
        { name: 'b', port: 81 },
      ],
      [{ name: 'b', port: 81 }],
      'ServiceInvalid',
    ],
    ['a text', ['80', { name: 'b', port: 81 }], [{ name: 'b', port: 81 }], 'ServiceInvalid'],
    ['same number twice', [port, { name: 'b', port: 80 }], [port], 'PortConflict'],
    ['same name twice', [port, { name: 'http', port: 81 }], [port], 'PortConflict'],
    ['unknown protocol', [{ ...port, protocol: 'gopher' }], [port], 'ServiceInvalid'],
    ['protocol a number', [{ ...port, protocol: 6 }], [port], 'ServiceInvalid'],
  ])('port: %s', (_name, ports, kept, reason) => {
    const { services, faults } = federation({ publicServices: [{ ...service, ports }] });
    expect(services).toEqual([{ ...service, ports: kept }]);
    expect(faults).toEqual([expect.objectContaining({ reason })]);
  });

  it.each<[string, unknown]>([
    ['no ports', []],
    ['ports an object', {}],
    ['too many ports', Array.from({ length: 65 }, (_, index) => ({ name: `p${index}`, port: index + 1 }))],
    ['only bad ports', [{ name: '', port: 1 }]],
  ])('service left out: %s', (_name, ports) => {
    const { services, faults } = federation({ publicServices: [{ ...service, ports }] });
    expect(services).toEqual([]);
    expect(faults).toHaveLength(1);
  });

  it.each<[string, unknown, boolean]>([
    ['a list of ids', ['spiffe://b.example/ns/demo/sa/echo'], true],
    ['none', [], true],
    ['a text', 'spiffe://b.example/ns/demo/sa/echo', false],
    ['other scheme', ['https://b.example/x'], false],
    ['no path', ['spiffe://b.example'], false],
    ['with a query', ['spiffe://b.example/x?y'], false],
    ['too many', Array.from({ length: 65 }, (_, index) => `spiffe://b.example/${index}`), false],
  ])('subjectAltNames: %s', (_name, subjectAltNames, kept) => {
    const { services } = federation({ publicServices: [{ ...service, subjectAltNames }] });
    expect(services).toEqual(kept ? [{ ...service, subjectAltNames }] : []);
  });

  it.each<[string, unknown, boolean]>([
    ['IPv4', { address: '203.0.113.5', port: 15443 }, true],
    ['IPv6', { address: '2001:db8::1', port: 15443 }, true],
    ['name', { address: 'gw.b.example', port: 443 }, true],
    ['scope id', { address: 'fe80::1%eth0', port: 443 }, false],
    ['octal', { address: '0177.0.0.1', port: 443 }, false],
    ['one number', { address: '2130706433', port: 443 }, false],
    ['hex', { address: '0x7f000001', port: 443 }, false],
    ['with a port', { address: 'gw.b.example:443', port: 443 }, false],
    ['with a path', { address: 'gw.b.example/x', port: 443 }, false],
    ['empty', { address: '', port: 443 }, false],
    ['no port', { address: '203.0.113.5' }, false],
    ['null', null, false],
  ])('gateway: %s', (_name, gateway, kept) => {
    const { gateways, faults } = federation({ ingressGateways: [gateway] });
    expect(gateways).toEqual(kept ? [gateway] : []);
    expect(faults.map(({ reason }) => reason)).toEqual(kept ? [] : ['AddressRefused']);
  });

  it('uses each gateway once and at most 64', () => {
    const many = Array.from({ length: 100 }, (_, index) => ({ address: `10.0.0.${index}`, port: 15443 }));
    expect(federation({ ingressGateways: [...many, ...many] }).gateways).toHaveLength(64);
    expect(federation({ ingressGateways: [many[0], many[0]] }).gateways).toHaveLength(1);
  });

  it.each<[string, object, string]>([
    ['an answer of something else', { error: 'maintenance' }, 'publicServices'],
    ['services an object', { publicServices: {} }, 'publicServices'],
    ['gateways a text', { ingressGateways: 'x' }, 'ingressGateways'],
    ['too many services', { publicServices: Array.from({ length: 20_001 }, () => 0) }, 'publicServices'],
    ['signed a number', { signed: 5 }, 'signed'],
  ])('refused: %s', (_name, document, field) => {
    expect(faultsOf(decodeFederationDocument(JSON.stringify(document)))[0]).toMatchObject({ field });
  });

  it('a legacy peer without services sends null', () => {
    expect(federation({ ingressGateways: null, publicServices: null })).toEqual({
      services: [],
      gateways: [],
      faults: [],
    });
  });

  it('reads 10,000 services at no great multiple of what parsing their JSON costs, and tells at most a hundred faults', () => {
    const good = Array.from({ length: 10_000 }, (_, index) => ({
      hostname: `s${index}.demo.svc.b.example`,
      ports: [
        { name: 'http', port: 80, protocol: 'HTTP' },
        { name: 'grpc', port: 90 },
      ],
      subjectAltNames: ['spiffe://b.example/ns/demo/sa/echo'],
    }));
    const text = JSON.stringify({ publicServices: good });
    const decoded = decodeFederationDocument(text);
    expect(decoded.ok && decoded.value.publicServices).toHaveLength(10_000);
    const parsing = leastCpu(() => JSON.parse(text));
    expect(leastCpu(() => decodeFederationDocument(text)) / parsing).toBeLessThan(25);
    const { faults } = federation({ publicServices: good.map((one) => ({ ...one, hostname: '*' })) });
    expect(faults).toHaveLength(limits.faults + 1);
    expect(faults.at(-1)).toMatchObject({ value: '9900' });
  });

  it('encodes the same bytes whatever the order, and reads them again', () => {
    const a = { ...service, subjectAltNames: ['spiffe://b.example/b', 'spiffe://b.example/a'] };
    const b = {
      hostname: 'a.demo.svc.b.example',
      ports: [
        { name: 'z', port: 9 },
        { name: 'a', port: 5, protocol: 'TCP' },
      ],
    };
    const gateways = [
      { address: '10.0.0.2', port: 1 },
      { address: '10.0.0.1', port: 2 },
    ];
    const one = encodeFederationDocument({ ingressGateways: gateways, publicServices: [a, b], signed: 'x.y.z' });
    const other = encodeFederationDocument({
      ingressGateways: [...gateways].reverse(),
      publicServices: [b, a],
      signed: 'x.y.z',
    });
    expect(one).toBe(other);
    const decoded = decodeFederationDocument(one);
    expect(decoded.ok && encodeFederationDocument(decoded.value)).toBe(one);
  });

  it.each([[undefined], [null], [5], ['x'], [[]]])('content that is no object: %j', (value) => {
    expect(federationContent(value).ok).toBe(false);
  });
});

describe('multicluster document', () => {
  const document = {
    ingressGateways: [{ address: '10.0.0.1', port: 15443 }],
    apiHost: 'api.b.example',
    networkName: 'net-b',
  };

  it.each<[string, object, string | undefined]>([
    ['as it should be', document, undefined],
    ['host with port', { ...document, apiHost: 'api.b.example:6443' }, undefined],
    ['IPv4 with port', { ...document, apiHost: '203.0.113.5:6443' }, undefined],
    ['IPv6 with port', { ...document, apiHost: '[2001:db8::1]:6443' }, undefined],
    ['IPv6 bare', { ...document, apiHost: '2001:db8::1' }, 'apiHost'],
    ['no host', { ...document, apiHost: undefined }, 'apiHost'],
    ['address with path', { ...document, apiHost: 'api.b.example/x' }, 'apiHost'],
    ['with user', { ...document, apiHost: 'a@b' }, 'apiHost'],
    ['with scheme', { ...document, apiHost: 'https://api.b.example' }, 'apiHost'],
    ['port 0', { ...document, apiHost: 'api.b.example:0' }, 'apiHost'],
    ['port too large', { ...document, apiHost: 'api.b.example:70000' }, 'apiHost'],
    ['no network', { ...document, networkName: '' }, 'networkName'],
    ['hostile network', { ...document, networkName: 'a/b' }, 'networkName'],
    ['long network', { ...document, networkName: 'a'.repeat(254) }, 'networkName'],
  ])('%s', (_name, value, field) => {
    const decoded = decodeMulticlusterDocument(JSON.stringify(value));
    if (field === undefined) expect(decoded).toEqual({ ok: true, value: { ...value, faults: [] } });
    else expect(faultsOf(decoded)[0]).toMatchObject({ field });
  });

  it('reads what it encodes', () => {
    const text = encodeMulticlusterDocument({ ...document, signed: 'a.b.c' });
    expect(decodeMulticlusterDocument(text)).toEqual({ ok: true, value: { ...document, signed: 'a.b.c', faults: [] } });
  });
});
