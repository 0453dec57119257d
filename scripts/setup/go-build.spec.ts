import { expect, it } from '@jest/globals';
import { catalogue } from './catalogue.js';
import { buildArguments, isOf, neededGo, outputName } from './go-build.js';

it('builds all programs of a module at once, static, without paths of this machine', () => {
  const parts = catalogue.filter((part) => isOf('go', part)).filter((part) => part.recipe.module === 'kubernetes');
  const version = 'k8s.io/component-base/version';
  expect(buildArguments(parts, '/work/out')).toEqual([
    'build',
    '-buildvcs=false',
    '-trimpath',
    '-ldflags',
    `-s -w -X ${version}.gitMajor=1 -X ${version}.gitMinor=35 -X ${version}.gitVersion=v1.35.4`,
    '-o',
    '/work/out/',
    'go.etcd.io/etcd/server/v3',
    'k8s.io/kubernetes/cmd/kube-apiserver',
    'k8s.io/kubernetes/cmd/kube-controller-manager',
    'k8s.io/kubernetes/cmd/kube-proxy',
    'k8s.io/kubernetes/cmd/kube-scheduler',
    'k8s.io/kubernetes/cmd/kubectl',
  ]);
});

it.each([
  ['k8s.io/kubernetes/cmd/kube-proxy', 'kube-proxy'],
  ['go.etcd.io/etcd/server/v3', 'server'],
  ['github.com/coredns/coredns', 'coredns'],
  ['helm.sh/helm/v4/cmd/helm', 'helm'],
])('go build calls %s %s', (path, name) => {
  expect(outputName(path)).toBe(name);
});

it('knows the newest Go that any module asks for', () => {
  expect(neededGo()).toBe('1.26.0');
});
