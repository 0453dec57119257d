/** The Go modules from which parts are built: one small module each under `modules/`, its go.mod and go.sum committed, so that
 *  a build resolves nothing and verifies everything. `npm run setup -- --pin` rewrites them after a version here has changed. */

/** Name of a folder under `scripts/setup/modules`. */
export type GoModuleName = 'kubernetes' | 'pilot-agent' | 'istiod' | 'helm' | 'coredns';

export interface Requirement {
  readonly path: string;
  readonly version: string;
}

export interface GoModule {
  readonly name: GoModuleName;
  /** Lowest Go release that compiles it (the `go` line). */
  readonly go: string;
  readonly godebug?: string;
  readonly requires: readonly Requirement[];
  /** Import paths of the main packages, all built by one `go build`. */
  readonly tools: readonly string[];
  /** A module that develops its own dependencies in a staging folder: they are replaced by their published versions. */
  readonly staging?: { readonly of: string; readonly version: string };
}

export const kubernetesVersion = '1.35.4';
export const etcdVersion = '3.6.5';
export const helmVersion = '4.3.1';
export const corednsVersion = '1.15.0';
export const istioApiVersion = '1.31.1';
/** Istio's main module publishes no release versions any more, only commits; this one is of its 1.31 line. */
export const istioCommit = 'eed52ebb66ad';
export const istioVersion = `1.31.0-dev.${istioCommit}`;

// What the pinned Istio commit itself requires are commits that a proxy may not serve: the releases after them are.
const istioRequirements: readonly Requirement[] = [
  { path: 'istio.io/istio', version: `v0.0.0-20260827124520-${istioCommit}` },
  { path: 'istio.io/api', version: `v${istioApiVersion}` },
  { path: 'istio.io/client-go', version: 'v1.31.1' },
  { path: 'github.com/envoyproxy/go-control-plane/envoy', version: 'v1.40.0' },
  { path: 'github.com/envoyproxy/go-control-plane/contrib', version: 'v1.36.1-0.20260729145720-a2d8c7492908' },
  { path: 'github.com/envoyproxy/go-control-plane/ratelimit', version: 'v0.1.0' },
];

export const goModules: Readonly<Record<GoModuleName, GoModule>> = {
  kubernetes: {
    name: 'kubernetes',
    go: '1.25.0',
    godebug: 'default=go1.25',
    requires: [
      { path: 'k8s.io/kubernetes', version: `v${kubernetesVersion}` },
      { path: 'go.etcd.io/etcd/server/v3', version: `v${etcdVersion}` },
    ],
    tools: [
      'go.etcd.io/etcd/server/v3',
      'k8s.io/kubernetes/cmd/kube-apiserver',
      'k8s.io/kubernetes/cmd/kube-controller-manager',
      'k8s.io/kubernetes/cmd/kube-proxy',
      'k8s.io/kubernetes/cmd/kube-scheduler',
      'k8s.io/kubernetes/cmd/kubectl',
    ],
    staging: { of: 'k8s.io/kubernetes', version: `v${kubernetesVersion.replace(/^1\./, '0.')}` },
  },
  'pilot-agent': {
    name: 'pilot-agent',
    go: '1.26.0',
    requires: istioRequirements,
    tools: ['istio.io/istio/pilot/cmd/pilot-agent'],
  },
  istiod: {
    name: 'istiod',
    go: '1.26.0',
    requires: istioRequirements,
    tools: ['istio.io/istio/pilot/cmd/pilot-discovery'],
  },
  helm: {
    name: 'helm',
    go: '1.26.0',
    requires: [{ path: 'helm.sh/helm/v4', version: `v${helmVersion}` }],
    tools: ['helm.sh/helm/v4/cmd/helm'],
  },
  coredns: {
    name: 'coredns',
    go: '1.26.0',
    requires: [{ path: 'github.com/coredns/coredns', version: `v${corednsVersion}` }],
    tools: ['github.com/coredns/coredns'],
  },
};

/** The go.mod that `--pin` starts from (`go mod tidy` adds the indirect requirements).
 *  @param stagingModules paths to be replaced, from {@link stagingModulesOf} */
export function moduleFile(module: GoModule, stagingModules: readonly string[]): string {
  const lines = [`module isthmus.dev/parts/${module.name}`, '', `go ${module.go}`, ''];
  if (module.godebug !== undefined) lines.push(`godebug ${module.godebug}`, '');
  lines.push(...block('tool', module.tools), '');
  lines.push(
    ...block(
      'require',
      module.requires.map(({ path, version }) => `${path} ${version}`),
    ),
  );
  if (module.staging !== undefined && stagingModules.length > 0) {
    const { version } = module.staging;
    lines.push(
      '',
      ...block(
        'replace',
        stagingModules.map((path) => `${path} => ${path} ${version}`),
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}

function block(directive: string, lines: readonly string[]): readonly string[] {
  return [`${directive} (`, ...[...lines].sort().map((line) => `\t${line}`), ')'];
}

/** Paths that a go.mod replaces by a folder `./staging/…` of its own, sorted. Such folders are absent from the published module. */
export function stagingModulesOf(goMod: string): readonly string[] {
  const replaced = [...goMod.matchAll(/^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+\.\/staging\/\S+\s*$/gm)];
  return replaced.map((match) => String(match[1])).sort();
}
