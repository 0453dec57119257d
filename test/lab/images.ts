import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabPlan } from './plan.js';

/** What the node agent runs for an image of a Pod: a local command, with files put at the paths that the image would have. */
export interface LocalImage {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly mounts?: readonly { readonly from: string; readonly to: string }[];
  /** As in the real images: the folder that holds `dist`. */
  readonly workingDir?: string;
}

const callers = ['call-http', 'call-grpc', 'call-tcp'] as const;
const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Every image of the chart and of the lab's own workloads. */
export function localImages(plan: LabPlan): Readonly<Record<string, LocalImage>> {
  const compiled = (path: string): string => join(plan.repository, 'dist', path);
  const nodeProgram = (path: string): LocalImage => ({
    command: ['/usr/local/bin/node', '--enable-source-maps', compiled(path)],
    env: { PATH: searchPath, NODE_ENV: 'production' },
    mounts: [{ from: plan.node, to: '/usr/local/bin/node' }],
    workingDir: plan.repository,
  });
  const client = nodeProgram('test/lab/workloads/client.js');
  return {
    'isthmus/controller': nodeProgram('apps/controller/src/main.js'),
    'isthmus/metadata-api': nodeProgram('apps/metadata-api/src/main.js'),
    'isthmus/way-out': nodeProgram('apps/metadata-api/src/way-out-main.js'),
    'isthmus/mesh': nodeProgram('apps/mesh/src/main.js'),
    'isthmus/proxyv2': {
      command: ['/usr/local/bin/pilot-agent'],
      env: { PATH: searchPath, ISTIO_META_ISTIO_VERSION: '1.31.0' },
      mounts: [
        { from: plan.parts['pilot-agent'], to: '/usr/local/bin/pilot-agent' },
        { from: plan.parts.envoy, to: '/usr/local/bin/envoy' },
        { from: plan.parts['envoy-bootstrap'], to: '/var/lib/istio/envoy/envoy_bootstrap_tmpl.json' },
      ],
    },
    'isthmus-lab/echo': nodeProgram('test/lab/workloads/echo.js'),
    'isthmus-lab/client': {
      ...client,
      mounts: [
        ...(client.mounts ?? []),
        ...callers.map((name) => ({ from: join(plan.directory, 'bin', name), to: `/usr/local/bin/${name}` })),
      ],
    },
  };
}

/** Writes the node agents' list of images and the client's commands into the lab's folder. */
export function writeImages(plan: LabPlan): void {
  const bin = join(plan.directory, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const name of callers) {
    const program = join(plan.repository, 'dist/test/lab/workloads', `${name}.js`);
    writeFileSync(join(bin, name), `#!/bin/sh\nexec /usr/local/bin/node --enable-source-maps ${program} "$@"\n`);
    chmodSync(join(bin, name), 0o755);
  }
  writeFileSync(join(plan.directory, 'images.json'), JSON.stringify(localImages(plan), undefined, 2));
}
