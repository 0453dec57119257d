import { describe, expect, it } from '@jest/globals';
import { catalogue, partNamed, variableFor, versionServes } from './catalogue.js';

describe('catalogue', () => {
  it('names each part once', () => {
    const names = catalogue.map((part) => part.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('takes nothing from a vendor without a digest', () => {
    for (const { release } of catalogue) {
      if (release === undefined) continue;
      expect(release.url).toMatch(/^https:/);
      expect('sha256' in release.checksum ? release.checksum.sha256 : release.checksum.url).toMatch(
        /^https:|^[0-9a-f]{64}$/,
      );
    }
  });

  it('takes agent, bootstrap template and istiod from one commit', () => {
    expect(partNamed('envoy-bootstrap').version).toBe(partNamed('pilot-agent').version);
    expect(partNamed('istiod').version).toBe(partNamed('pilot-agent').version);
  });

  it('lists the known names when asked for another', () => {
    expect(() => partNamed('kubelet')).toThrow(/no part is called "kubelet"; known: envoy, /);
  });
});

it.each([
  ['kube-apiserver', 'ISTHMUS_PART_KUBE_APISERVER'],
  ['envoy', 'ISTHMUS_PART_ENVOY'],
] as const)('variableFor(%s)', (name, variable) => {
  expect(variableFor(name)).toBe(variable);
});

it.each([
  ['1.35.4', '1.35.4', true],
  ['1.35.0', '1.35.4', true],
  ['1.34.4', '1.35.4', false],
  ['2.35.4', '1.35.4', false],
  ['1.3.5', '1.35.4', false],
])('a found %s serves for a wanted %s: %s', (found, wanted, expected) => {
  expect(versionServes(found, wanted)).toBe(expected);
});

it.each([
  ['kube-proxy', 'Kubernetes v1.35.4', '1.35.4'],
  ['kubectl', 'Client Version: v1.35.4\nKustomize Version: v5.7.1', '1.35.4'],
  ['etcd', 'etcd Version: 3.6.5\nGit SHA: x', '3.6.5'],
  ['envoy', '\nenvoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL', '1.40.0'],
  ['helm', 'v4.3.1+g1234567', '4.3.1'],
  ['coredns', 'CoreDNS-1.15.0\nlinux/amd64', '1.15.0'],
  ['pilot-agent', 'client version: 1.31.0-dev.eed52ebb66ad', '1.31.0-dev.eed52ebb66ad'],
  ['helm', 'command not found', undefined],
])('reads the version of %s from %j', (name, output, version) => {
  expect(partNamed(name).versionQuery?.pattern.exec(output)?.[1]).toBe(version);
});
