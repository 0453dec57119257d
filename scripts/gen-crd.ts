// Writes the CRDs of libs/crd into the chart; with --check it writes nothing and fails when a file is stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { crdFileName, crdManifest } from '#crd';

const folder = 'charts/isthmus/crds';
const header = '# Generated from libs/crd by `npm run gen:crd`; do not edit.\n';

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function run(check: boolean): number {
  const stale: string[] = [];
  for (const kind of ['IstioFederation', 'IstioMulticluster'] as const) {
    const path = join(folder, crdFileName(kind));
    const text = header + stringify(crdManifest(kind), { lineWidth: 0, aliasDuplicateObjects: false });
    if (readIfThere(path) === text) continue;
    stale.push(path);
    if (check) continue;
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, text);
  }
  const verb = check ? 'stale' : 'written';
  process.stdout.write(stale.length === 0 ? 'CRDs are up to date\n' : `${verb}: ${stale.join(', ')}\n`);
  if (check && stale.length > 0) process.stderr.write('run `npm run gen:crd` and commit the result\n');
  return check && stale.length > 0 ? 1 : 0;
}

process.exitCode = run(process.argv.includes('--check'));
