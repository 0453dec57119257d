import { describe, it } from '@jest/globals';
import fc from 'fast-check';
import { brokenValue, fuzz, fuzzBothWays, fuzzLimitMs, fuzzRuns } from '#testing';
import type { Dice } from '#testing';
import {
  decodeFederationDocument,
  decodeMulticlusterDocument,
  decodePublicDocument,
  encodeFederationDocument,
  encodeMulticlusterDocument,
  encodePublicDocument,
  EventStreamParser,
  federationContent,
  forbiddenAddress,
  formatEvent,
  limits,
  multiclusterContent,
} from './index.js';
import type { Decoded, FederationDocument, MulticlusterDocument, PublicDocument } from './index.js';

const texts = [
  '',
  'a',
  '*',
  'echo.demo.svc.b.example',
  'A.b',
  '\u0000',
  '..',
  'x'.repeat(300),
  '203.0.113.5',
  '::1',
  '127.1',
  '-----BEGIN X-----',
  'spiffe://b/x',
  'a\nb',
  'http',
  '\ud800',
  '__proto__',
];
const keys = [
  'clusterUUID',
  'authnKeyPub',
  'rootCA',
  'crl',
  'signed',
  'ingressGateways',
  'publicServices',
  'hostname',
  'ports',
  'name',
  'port',
  'protocol',
  'address',
  'apiHost',
  'networkName',
  'subjectAltNames',
  '__proto__',
  'constructor',
  'x',
];

function anyValue(dice: Dice, depth: number): unknown {
  const kind = dice.next(depth > 5 ? 5 : 8);
  if (kind === 0) return dice.pick(texts);
  if (kind === 1) return dice.pick([0, -1, 1, 80, 65_535, 65_536, 1e308, 0.5, Number.MAX_SAFE_INTEGER]);
  if (kind === 2) return dice.pick([null, true, false]);
  if (kind < 5) return dice.pick([[], {}, '', 15443]);
  if (kind === 5) return Array.from({ length: dice.next(4) }, () => anyValue(dice, depth + 1));
  return Object.fromEntries(Array.from({ length: dice.next(6) }, () => [dice.pick(keys), anyValue(dice, depth + 1)]));
}

/** A document of roughly the right form, then broken: fields replaced, text cut or bytes changed. */
function hostileText(dice: Dice): string {
  const base: Record<string, unknown> = {
    clusterUUID: 'b',
    authnKeyPub: '-----BEGIN PUBLIC KEY-----',
    rootCA: '-----BEGIN CERTIFICATE-----',
    ingressGateways: [{ address: 'gw.b', port: 1 }, anyValue(dice, 3)],
    publicServices: [{ hostname: 'a.b', ports: [{ name: 'a', port: 1 }, anyValue(dice, 4)] }, anyValue(dice, 3)],
    apiHost: 'api.b',
    networkName: 'n',
  };
  for (let count = dice.next(3); count > 0; count -= 1) base[dice.pick(keys)] = anyValue(dice, 0);
  const text = JSON.stringify(base);
  const at = dice.next(text.length);
  const form = dice.next(5);
  if (form === 0) return text.slice(0, at);
  if (form === 1)
    return text.slice(0, at) + dice.pick(['"', '{', '[', '}', ',', '\\', '\u0000', '9'.repeat(400)]) + text.slice(at);
  return text;
}

type AnyDocument = PublicDocument | FederationDocument | MulticlusterDocument;

function mustKeepTheRules(decoded: Decoded<AnyDocument>): void {
  if (!decoded.ok) {
    const told = decoded.faults.length > 0 && decoded.faults.every(({ value }) => value.length <= 90);
    if (!told) throw new Error('faults');
    return;
  }
  if (!('ingressGateways' in decoded.value)) return;
  const { ingressGateways, faults } = decoded.value;
  if (faults.length > limits.faults + 1 || ingressGateways.length > limits.gateways) throw new Error('not bounded');
  const badGateway = ingressGateways.find(
    ({ address, port }) => /[^0-9a-zA-Z.:-]/.test(address) || !(port >= 1 && port <= 65_535),
  );
  if (badGateway !== undefined) throw new Error(badGateway.address);
  const services = 'publicServices' in decoded.value ? decoded.value.publicServices : [];
  const bad = services.find(({ hostname, ports }) => /[^a-z0-9.-]/.test(hostname) || ports.length === 0);
  if (bad !== undefined) throw new Error(bad.hostname);
}

describe('decoders', () => {
  it.each([
    ['public', decodePublicDocument],
    ['federation', decodeFederationDocument],
    ['multicluster', decodeMulticlusterDocument],
  ])(
    '%s: never throws, tells at most its limit of faults, gives nothing outside the rules',
    (_name, decode) => {
      fuzz((dice) => mustKeepTheRules(decode(hostileText(dice))));
    },
    fuzzLimitMs,
  );

  it.each([
    ['federation', federationContent],
    ['multicluster', multiclusterContent],
  ])(
    '%s: any payload that a peer did sign: the rules hold for it as for a plain document',
    (_name, read) => {
      const whole = {
        ingressGateways: [{ address: 'gw.b', port: 1 }],
        publicServices: [{ hostname: 'a.b', ports: [{ name: 'a', port: 1 }], subjectAltNames: ['spiffe://b/x'] }],
        apiHost: 'api.b:443',
        networkName: 'n',
      };
      return fuzzBothWays((dice) => {
        const decoded = read(brokenValue(dice, brokenValue(dice, whole, keys), keys));
        mustKeepTheRules(decoded);
        return decoded.ok;
      });
    },
    fuzzLimitMs,
  );

  it(
    'read any text',
    () => {
      fc.assert(
        fc.property(fc.oneof(fc.string(), fc.json({ maxDepth: 3 })), (text) => {
          decodePublicDocument(text);
          decodeFederationDocument(text);
          decodeMulticlusterDocument(text);
        }),
        { numRuns: fuzzRuns },
      );
    },
    fuzzLimitMs,
  );
});

describe('encoders', () => {
  const hostname = (dice: Dice): string => `s${dice.next(50)}.n${dice.next(50)}.svc.b.example`;

  it(
    'decode(encode(x)) is x, in order',
    () => {
      fuzz((dice) => {
        const publicServices = Array.from({ length: dice.next(4) }, () => ({
          hostname: hostname(dice),
          ports: Array.from({ length: 1 + dice.next(3) }, (_, index) => ({
            name: `p${index}`,
            port: 1 + dice.next(1000) + index * 1001,
            ...(dice.next(2) === 0 ? {} : { protocol: dice.pick(['HTTP', 'GRPC', 'tcp']) }),
          })),
          ...(dice.next(2) === 0 ? {} : { subjectAltNames: [`spiffe://b/${dice.next(9)}`] }),
        }));
        const ingressGateways = Array.from({ length: dice.next(3) }, (_, index) => ({
          address: `10.0.${index}.${dice.next(256)}`,
          port: 1 + dice.next(65_535),
        }));
        const federation = encodeFederationDocument({ ingressGateways, publicServices });
        const decoded = decodeFederationDocument(federation);
        if (!decoded.ok || decoded.value.faults.length > 0) throw new Error(federation);
        if (encodeFederationDocument(decoded.value) !== federation) throw new Error(federation);
        if (decoded.value.publicServices.length !== publicServices.length) throw new Error('lost a service');
        const multicluster = encodeMulticlusterDocument({
          ingressGateways,
          apiHost: `a${dice.next(99)}.b:443`,
          networkName: `n${dice.next(9)}`,
        });
        const back = decodeMulticlusterDocument(multicluster);
        if (!back.ok || encodeMulticlusterDocument(back.value) !== multicluster) throw new Error(multicluster);
        const open = encodePublicDocument({
          clusterUUID: `u${dice.next(99)}`,
          authnKeyPub: '-----BEGIN A',
          rootCA: `-----BEGIN ${dice.pick(texts)}`,
        });
        const read = decodePublicDocument(open);
        if (!read.ok || encodePublicDocument(read.value) !== open) throw new Error(open);
      });
    },
    fuzzLimitMs,
  );
});

describe('event stream', () => {
  const pieces = [
    'data: x',
    'data:',
    ':',
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    'id: 7',
    'id',
    'event: document',
    '\uFEFF',
    '\u0000',
    'data: {"a":1}',
    'x'.repeat(50),
  ];

  it(
    'gives the same events however the stream is cut, in bounded memory',
    () => {
      fuzz((dice) => {
        const text = dice.list(40, () => dice.pick(pieces)).join('');
        const read = (chunks: readonly string[]): string => {
          const parser = new EventStreamParser(120);
          const events: unknown[] = [];
          try {
            for (const chunk of chunks) events.push(...parser.push(chunk));
          } catch (error) {
            if ((error as Error).name !== 'RangeError') throw error;
            return 'too large';
          }
          return JSON.stringify(events);
        };
        const at = dice.next(text.length + 1);
        const whole = read([...text]);
        const halves = read([text.slice(0, at), text.slice(at)]);
        if (whole !== halves) throw new Error(`${whole} ${halves}`);
      });
    },
    fuzzLimitMs,
  );

  it(
    'reads what is written',
    () => {
      fc.assert(
        fc.property(fc.string(), fc.nat(), (data, id) => {
          const lines = data.replace(/\r\n|\r/g, '\n');
          const events = new EventStreamParser(100_000).push(formatEvent({ event: 'document', id: String(id), data }));
          const [event, second] = events;
          const same = event?.event === 'document' && event.id === String(id) && event.data === lines;
          if (!same || second !== undefined) throw new Error(JSON.stringify(events));
        }),
        { numRuns: fuzzRuns },
      );
    },
    fuzzLimitMs,
  );
});

describe('addresses', () => {
  it(
    'any IPv4 inside IPv6 is judged as what it carries; nothing throws',
    () => {
      fuzz((dice) => {
        const [a, b, c, d] = [0, 0, 0, 0].map(() => dice.next(256));
        const ip = `${a}.${b}.${c}.${d}`;
        const bare = forbiddenAddress(ip, { ownAddresses: ['10.0.0.1'] });
        if (bare !== forbiddenAddress(`::ffff:${ip}`, { ownAddresses: ['10.0.0.1'] })) throw new Error(ip);
        forbiddenAddress(String.fromCharCode(...dice.list(40, () => dice.next(128))), { ownAddresses: [] });
      });
    },
    fuzzLimitMs,
  );
});
