import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { caCertificatesWith } from './ca-certificates.js';

const pem = (content: string): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(content).toString('base64')}\n-----END CERTIFICATE-----\n`;
const west = { pem: pem('west'), trustDomains: ['west.example'] };
const south = { pem: pem('south'), trustDomains: ['south.example'] };
const theirs = `# by hand
trustDomain: east.example # ours
caCertificates:
  # extra
  - pem: |
${pem('operator').replace(/^/gm, '      ').trimEnd()}
defaultConfig:
  discoveryAddress: 'istiod.istio-system.svc:15012'
`;
const entriesOf = (text: string): unknown => (parse(text) as { caCertificates?: unknown } | null)?.caCertificates;

describe('caCertificatesWith', () => {
  it.each([undefined, '', 'trustDomain: x\n', 'caCertificates:\n', 'caCertificates: []\n'])(
    'enters roots into %j',
    (text) => {
      const written = caCertificatesWith(text, [], [west, south]);
      expect(entriesOf(written.text)).toEqual(expect.arrayContaining([west, south]));
      expect(written.ours).toHaveLength(2);
    },
  );

  it('leaves what others wrote: comments, order, quotes', () => {
    const { text } = caCertificatesWith(theirs, [], [west]);
    const lines = theirs.split('\n');
    expect(text.split('\n').filter((line) => lines.includes(line))).toEqual(expect.arrayContaining(lines));
    expect(Object.keys(parse(text) as object)).toEqual(['trustDomain', 'caCertificates', 'defaultConfig']);
    expect(entriesOf(text)).toEqual([{ pem: pem('operator') }, west]);
  });

  it('takes back only its own, and gives the old text again', () => {
    const first = caCertificatesWith(theirs, [], [west, south]);
    const second = caCertificatesWith(first.text, first.ours, [south]);
    expect(entriesOf(second.text)).toEqual([{ pem: pem('operator') }, south]);
    expect(caCertificatesWith(second.text, second.ours, [])).toEqual({ text: theirs, ours: [] });
  });

  it('takes the list away with its last entry', () => {
    const { text, ours } = caCertificatesWith('trustDomain: x\n', [], [west]);
    expect(caCertificatesWith(text, ours, []).text).toBe('trustDomain: x\n');
  });

  it('says the same again: the text is not touched, however it is written', () => {
    const { text, ours } = caCertificatesWith(theirs, [], [west]);
    const reformatted = JSON.stringify(parse(text));
    expect(caCertificatesWith(reformatted, ours, [west])).toEqual({ text: reformatted, ours });
  });

  it('enters again what another’s write of the whole text has lost', () => {
    const { ours } = caCertificatesWith(theirs, [], [west]);
    expect(entriesOf(caCertificatesWith(theirs, ours, [west]).text)).toEqual([{ pem: pem('operator') }, west]);
  });

  it('knows its entries by the root: edited ones are mended while wanted, and go when not', () => {
    const { text, ours } = caCertificatesWith(theirs, [], [west]);
    const edited = text.replace('west.example', 'east.example');
    expect(caCertificatesWith(edited, ours, [west])).toEqual({ text, ours });
    expect(caCertificatesWith(edited, ours, []).text).toBe(theirs);
  });

  it('leaves a root that somebody else has entered to its owner', () => {
    const operator = { pem: pem('operator'), trustDomains: ['x.example'] };
    expect(caCertificatesWith(theirs, [], [operator])).toEqual({ text: theirs, ours: [] });
  });

  it.each(['- a', '{', 'text', 'caCertificates: x', 'caCertificates: {}'])('refuses %j', (text) => {
    expect(() => caCertificatesWith(text, [], [west])).toThrow('ConfigMap istio, key mesh');
  });
});
