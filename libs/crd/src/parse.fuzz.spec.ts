import { describe, it } from '@jest/globals';
import { brokenValue, fuzzBothWays, fuzzLimitMs } from '#testing';
import { describeFault, longestPeerName, parseIstioFederation, parseIstioMulticluster } from './parse.js';

const pins = { roots: [`sha256:${'0a'.repeat(32)}`], keys: [`sha256:${'0b'.repeat(32)}`] };
const stalePolicy = { mode: 'DrainAfter', after: '1h', overrides: [{ hosts: ['a.b'], mode: 'Keep' }] };
const metadata = { ca: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n' };
const common = {
  trustDomain: 'b.example',
  metadataEndpoint: 'https://b.example.org/metadata',
  metadata,
  pins,
  stalePolicy,
};
const kinds = {
  IstioFederation: {
    parse: parseIstioFederation,
    spec: { ...common, exports: { hosts: ['a.b'] }, imports: { exportTo: ['*'] } },
  },
  IstioMulticluster: { parse: parseIstioMulticluster, spec: { ...common, legacyAPITokens: true } },
};
const names = [
  ...Object.keys(common),
  ...Object.keys(pins),
  'ca',
  'exports',
  'hosts',
  'mode',
  'after',
  'status',
  'x',
  '__proto__',
];

describe.each(['IstioFederation', 'IstioMulticluster'] as const)('%s as the API server gives it', (kind) => {
  const { parse, spec } = kinds[kind];
  const whole = { apiVersion: 'isthmus.dev/v1alpha1', kind, metadata: { name: 'b', generation: 1 }, spec, status: {} };

  it(
    'any object: a resource that reads back as itself, or faults that name the field in short lines and show no certificate',
    () => {
      if (!parse(whole).ok) throw new Error('the resource itself must be taken');
      return fuzzBothWays((dice) => {
        const said = dice.next(2) === 0 ? spec : brokenValue(dice, spec, names);
        const noCa = { ...spec, metadata: { ca: dice.pick(['', 1, 'no certificate '.repeat(dice.next(9))]) } };
        const given = brokenValue(dice, { ...whole, spec: dice.next(4) === 0 ? noCa : said }, names);
        const parsed = parse(given);
        if (parsed.ok) {
          if (JSON.stringify(parse(parsed.value)) !== JSON.stringify(parsed)) throw new Error(JSON.stringify(given));
          if (parsed.value.metadata.name.length > longestPeerName) throw new Error(parsed.value.metadata.name);
          return true;
        }
        const lines = parsed.faults.map(describeFault);
        if (lines.length === 0 || lines.some((line) => line.length > 1000)) throw new Error(lines.join('\n'));
        const long = parsed.faults.find(({ field, value = '' }) => value.length > (field.endsWith('.ca') ? 0 : 81));
        if (long !== undefined) throw new Error(`${long.field} shows ${long.value}`);
        return false;
      });
    },
    fuzzLimitMs,
  );
});
