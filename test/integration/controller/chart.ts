import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { ApiObject, KubeClient } from '#kube';
import { ensureParts } from '../../../scripts/setup/index.js';
import { untilServed } from '../../harness/served.js';

const chart = 'charts/isthmus';
export const releaseNamespace = 'isthmus-system';
export const ownUUID = '11111111-1111-4111-8111-111111111111';
export const ownDomain = 'east.example';
const fieldManager = 'helm';
const rights = ['Namespace', 'ServiceAccount', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'];

interface Container {
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}

interface Workload extends ApiObject {
  readonly spec?: { readonly template?: { readonly spec?: { readonly containers?: readonly Container[] } } };
}

interface Definition extends ApiObject {
  readonly spec?: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
}

/** The chart as Helm renders it: what of it the API server needs is applied, what a kubelet would start is told. */
export class RenderedChart {
  private constructor(readonly objects: readonly ApiObject[]) {}

  static async render(values: object, directory: string): Promise<RenderedChart> {
    const { helm } = await ensureParts(['helm']);
    const file = join(directory, 'values.json');
    writeFileSync(file, JSON.stringify(values));
    const args = ['template', 'isthmus', chart, `--namespace=${releaseNamespace}`, '--values', file];
    const { stdout } = await promisify(execFile)(helm, args, { maxBuffer: 1 << 24 });
    return new RenderedChart(documentsOf(stdout));
  }

  /** Environment of a workload's container, as far as it is plain text; the rest comes from the kubelet. */
  environment(deployment: string): Readonly<Record<string, string>> {
    const env = this.#container(deployment).env ?? [];
    return Object.fromEntries(env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]])));
  }

  /** Names of all its variables, those of the kubelet and of Secrets too. */
  variableNames(deployment: string): readonly string[] {
    return (this.#container(deployment).env ?? []).map(({ name }) => name);
  }

  args(deployment: string): readonly string[] {
    return this.#container(deployment).args ?? [];
  }

  /** Our CRDs, Istio's, the namespaces, and exactly the rights that the chart gives. */
  async install(client: KubeClient): Promise<void> {
    const { 'istio-crds': istio } = await ensureParts(['istio-crds']);
    const files = [istio, ...readdirSync(join(chart, 'crds')).map((name) => join(chart, 'crds', name))];
    const crds = files.flatMap((file) => documentsOf(readFileSync(file, 'utf8')));
    const apply = (object: ApiObject): Promise<unknown> => client.apply(object, { fieldManager });
    await Promise.all(crds.map(apply));
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: releaseNamespace } });
    for (const kind of rights) await Promise.all(this.objects.filter((object) => object.kind === kind).map(apply));
    await Promise.all(crds.map((crd) => served(client, crd)));
  }

  #container(deployment: string): Container {
    const found = this.objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata?.name === deployment);
    const container = (found as Workload | undefined)?.spec?.template?.spec?.containers?.[0];
    if (container === undefined) throw new Error(`the chart renders no Deployment ${deployment}`);
    return container;
  }
}

/** Waits for one version of it: all of them are served at once. */
async function served(client: KubeClient, { spec }: Definition): Promise<void> {
  const version = spec?.versions.find((each) => each.served)?.name;
  await untilServed(client, `/apis/${spec?.group}/${version}/${spec?.names.plural}`);
}

function documentsOf(text: string): readonly ApiObject[] {
  return parseAllDocuments(text).flatMap((document) => (document.toJS() as ApiObject | null) ?? []);
}
