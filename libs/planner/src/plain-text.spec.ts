import { describe, expect, it } from '@jest/globals';
import { modePolicyFrom } from '#istio-api';
import type { PeerAuthentication, Pod } from '#istio-api';
import { pod } from '#testing';
import { namespacesInPlainText, plainTextFindings } from './index.js';

const policy = (namespace: string, spec: NonNullable<PeerAuthentication['spec']>): PeerAuthentication => ({
  metadata: { name: 'p', namespace },
  spec,
});
const strict = policy('istio-system', { mtls: { mode: 'STRICT' } });
const open = (...policies: readonly PeerAuthentication[]): readonly string[] =>
  namespacesInPlainText([...pods, bare], policies.map(modePolicyFrom), 'istio-system');
const of = (namespace: string, app: string): Pod => {
  const made = pod({ labels: { app } });
  return { ...made, metadata: { ...made.metadata, namespace } };
};
const pods = [of('shop', 'cart'), of('shop', 'pay'), of('demo', 'echo')];
const bare: Pod = { ...pod(), metadata: { namespace: 'bare', labels: { app: 'bare' } } };

describe('where sidecars take plain text', () => {
  it.each<[string, readonly PeerAuthentication[], readonly string[]]>([
    ['everywhere where nothing is said', [], ['demo', 'shop']],
    ['nowhere where the mesh is STRICT', [strict], []],
    ['where a namespace is not', [strict, policy('demo', { mtls: { mode: 'PERMISSIVE' } })], ['demo']],
    [
      'where one workload is not',
      [strict, policy('shop', { selector: { matchLabels: { app: 'pay' } }, mtls: { mode: 'DISABLE' } })],
      ['shop'],
    ],
    [
      'where one port is not',
      [
        strict,
        policy('shop', { selector: { matchLabels: { app: 'pay' } }, portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } }),
      ],
      ['shop'],
    ],
  ])('%s', (_where, policies, namespaces) => {
    expect(open(...policies)).toEqual(namespaces);
  });
});

describe('what goes around sharing', () => {
  const seven = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  const told = (network: string, peer: string | undefined, namespaces: readonly string[]): readonly string[] =>
    plainTextFindings(network, peer, () => namespaces).map(({ reason, message }) => `${reason}: ${message}`);

  it('is told of a peer on our network', () => {
    expect(told('net', 'net', ['demo'])).toEqual([
      expect.stringMatching(/^PlainTextReachable: .*network net, and sidecars in demo take plain text.*STRICT/),
    ]);
    expect(told('net', 'net', seven)[0]).toContain('in a, b, c, d, e and others take');
  });

  it.each([
    ['on another network', 'net', 'other', seven],
    ['that does not say its network', 'net', undefined, seven],
    ['while ours has no name', '', '', seven],
    ['where all is STRICT', 'net', 'net', []],
  ])('is not told of a peer %s', (_which, network, peer, namespaces) => {
    expect(told(network, peer, namespaces)).toEqual([]);
  });
});
