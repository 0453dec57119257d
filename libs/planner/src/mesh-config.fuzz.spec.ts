import { describe, it } from '@jest/globals';
import { parse } from 'yaml';
import { brokenText, fuzzBothWays, fuzzLimitMs, readOr } from '#testing';
import type { Dice } from '#testing';
import { caCertificatesWith } from './ca-certificates.js';
import { meshNetworksWith } from './mesh-networks.js';
import type { MeshNetworksText } from './mesh-networks.js';

const west = { network: 'w', clusterID: 'west', gateways: [] };
const pem = (content: string): string => `-----BEGIN CERTIFICATE-----\n${content}\n-----END CERTIFICATE-----\n`;
const root = { pem: pem('d2Vz'), trustDomains: ['west.example'] };
const networks = 'networks: # ours\n  vm: &v {a: 1}\n  on: *v\n';
const mesh = 'a: b # c\ncaCertificates:\n- pem: x\n';
const texts = [
  '',
  '{}',
  'networks: {}',
  'networks:',
  'caCertificates:',
  'caCertificates: []',
  '? [a]\n: b',
  '<<: {a: 1}',
];

interface Written {
  readonly text: string;
  readonly ours: readonly string[];
}

/** Where nothing is ours, what stood there stands. */
const written = (current: string, { text = current, ours }: MeshNetworksText): Written => ({ text, ours });

/** What any text must hold to: ours in, the same again, ours out, and what is left is what was there. */
function mustKeepWhatIsTheirs(
  dice: Dice,
  given: string,
  names: string,
  write: (text: string, before: readonly string[], wanted: boolean) => Written,
): boolean {
  const first = readOr(
    () => write(given, [], true),
    (error) => error.message.startsWith(`ConfigMap istio, key ${names}`),
  );
  if (first === undefined) return false;
  if (dice.next(8) > 0) return true;
  const again = write(first.text, first.ours, true);
  if (again.text !== first.text || String(again.ours) !== String(first.ours)) throw new Error(`another: ${again.text}`);
  const last = write(first.text, first.ours, false);
  if (last.ours.length > 0 || shape(last.text) !== shape(given)) throw new Error(`${last.text}\n---\n${given}`);
  return true;
}

/** The YAML's value, without the empty collections that may come and go with ours. */
function shape(text: string): string {
  try {
    const value = (parse(text, { logLevel: 'error' }) ?? {}) as Record<string, unknown>;
    const kept = Object.entries(value).filter(([, member]) => member !== null && JSON.stringify(member).length > 2);
    return JSON.stringify(Object.fromEntries(kept));
  } catch {
    return 'no value';
  }
}

const textFrom = (dice: Dice, whole: string): string =>
  dice.next(8) === 0 ? dice.pick(texts) : brokenText(dice, whole);

describe('the mesh configuration that others write too', () => {
  it(
    'meshNetworks: ours go in and out, and what others wrote stays; or an error names the key',
    () =>
      fuzzBothWays((dice) => {
        const text = textFrom(dice, networks);
        const kept = mustKeepWhatIsTheirs(dice, text, 'meshNetworks', (current, before, wanted) =>
          written(current, meshNetworksWith(current, before, wanted ? [west] : [])),
        );
        return kept;
      }),
    fuzzLimitMs,
  );

  it(
    'caCertificates: ours go in and out, and what others wrote stays; or an error names the key',
    () =>
      fuzzBothWays((dice) => {
        const text = textFrom(dice, mesh);
        const kept = mustKeepWhatIsTheirs(dice, text, 'mesh', (current, before, wanted) =>
          caCertificatesWith(current, before, wanted ? [root] : []),
        );
        return kept;
      }),
    fuzzLimitMs,
  );
});
