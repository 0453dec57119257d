import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { variables as controllerVariables } from '../../apps/controller/src/config.js';
import { flags as meshFlags, variables as meshVariables } from '../../apps/mesh/src/config.js';
import { variables as doorVariables } from '../../apps/metadata-api/src/config.js';
import { variables as wayOutVariables } from '../../apps/metadata-api/src/way-out/config.js';
import type { Variable } from '#platform';
import { ensureParts } from '../../scripts/setup/index.js';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs } from '../harness/child.js';
import { RenderedChart, releaseNamespace } from './controller/chart.js';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'isthmus-chart-'));
const multicluster = { multicluster: { enabled: true, apiHost: 'api.east.example:6443' } };
const ingress = {
  metadataApi: {
    ingress: {
      enabled: true,
      className: 'nginx',
      host: 'metadata.east.example',
      annotations: { 'example.com/more': 'yes' },
    },
  },
};
const ha = {
  controller: { replicas: 2 },
  metadataApi: { replicas: 2 },
  mesh: { replicas: 2 },
  gateway: { replicas: 2 },
  wayOut: { replicas: 2 },
  store: { databaseURLSecret: 'isthmus-database' },
};
/** Numbers as large as the schema lets them be. */
const largest = {
  controller: { keyRotation: { announceSeconds: 86_400, honourSeconds: 86_400 }, documents: { pollSeconds: 3_600 } },
  mesh: {
    maxStreamsPerSecond: 1_000_000,
    maxWorkloadCertTTLSeconds: 7_776_000,
    rootRotation: { announceSeconds: 86_400 },
  },
  gateway: { port: 65_535, addresses: ['gw.east.example:65535', '192.0.2.1:1', '[2001:db8::1]:15443'] },
};
const sets: readonly (readonly [string, object])[] = [
  ['default values', {}],
  ['multicluster', multicluster],
  ['ingress', ingress],
  ['ingress and multicluster', { ...ingress, ...multicluster }],
  ['a stock istiod', { mesh: { enabled: false } }],
  ['two of everything', { ...ha, ...multicluster }],
  ['trusted proxies', { metadataApi: { trustedProxies: ['10.0.0.0/8', 'fd00::1'] } }],
  [
    'certificates of one’s own',
    { metadataApi: { tls: { secretName: 'door' } }, wayOut: { tls: { secretName: 'out' } }, ...multicluster },
  ],
  ['a network whose name is a number', { network: '12' }],
  ['the largest numbers', largest],
];
let server: ApiServer;

async function refusal(values: object): Promise<string> {
  return RenderedChart.render(values, directory).then(
    () => '',
    (error: unknown) => String((error as { stderr?: string }).stderr),
  );
}

/** Values with one of them, named by its path, set. */
function valuesWith(path: string, value: unknown): object {
  return path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;
}

beforeAll(async () => {
  server = await startApiServer();
  for (const name of [releaseNamespace, 'istio-system', 'isthmus-imports', 'isthmus-peers'])
    await server.client.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { fieldManager: 'spec' });
}, hookTimeoutMs);

afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('what the chart renders', () => {
  it.each(sets)(
    'is taken by an API server, whole: %s',
    async (_name, values) => {
      const { kubectl } = await ensureParts(['kubectl']);
      const { objects } = await RenderedChart.render(values, directory);
      const file = join(directory, 'objects.json');
      writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
      const args = ['apply', '--server-side', '--dry-run=server', '--field-manager=spec', '-o', 'name', '-f', file];
      const { stdout } = await run(kubectl, [...args, `--kubeconfig=${server.kubeconfig}`]);
      expect(stdout.trim().split('\n')).toHaveLength(objects.length);
      expect(objects.length).toBeGreaterThan(20);
    },
    60_000,
  );

  it('an Ingress whose TLS passes through, for its host and class', async () => {
    const of = async (values: object): Promise<object | undefined> =>
      (await RenderedChart.render(values, directory)).objects.find(({ kind }) => kind === 'Ingress');
    expect(await of({})).toBeUndefined();
    const backend = (name: string): object => ({ service: { name: 'isthmus-metadata-api', port: { name } } });
    const rule = (host: string, path: string, port: string): object => ({
      host,
      http: { paths: [{ path, pathType: 'Prefix', backend: backend(port) }] },
    });
    const door = rule('metadata.east.example', '/metadata', 'https');
    expect(await of(ingress)).toMatchObject({
      metadata: {
        annotations: {
          'nginx.ingress.kubernetes.io/ssl-passthrough': 'true',
          'nginx.ingress.kubernetes.io/backend-protocol': 'HTTPS',
          'example.com/more': 'yes',
        },
      },
      spec: { ingressClassName: 'nginx', tls: [{ hosts: ['metadata.east.example'] }], rules: [door] },
    });
    expect(await of({ ...ingress, ...multicluster })).toMatchObject({
      spec: { rules: [door, rule('api.east.example', '/', 'api')] },
    });
  });
});

describe('the network that pods are on', () => {
  const long = 'a'.repeat(60);
  it.each<[string, object, RegExp]>([
    ['of default values: named after the trust domain', {}, /^network-cluster-local$/],
    ['of another cluster domain', { clusterDomain: 'east.example' }, /^network-east-example$/],
    ['of another trust domain alone', { trustDomain: 'west.example' }, /^network-west-example$/],
    ['of one that ends in what no label may', { trustDomain: 'west._' }, /^network-west$/],
    ['named on purpose', { trustDomain: 'west.example', network: 'flat' }, /^flat$/],
    ['of a long trust domain: a label’s value, with a digest', { trustDomain: `${long}.b` }, /^network-a{44}-[0-9]+$/],
  ])('%s; all parts say the same', async (_name, values, expected) => {
    const chart = await RenderedChart.render(values, directory);
    const said = ['isthmus-controller', 'isthmus-mesh'].map((name) => chart.environment(name)['ISTHMUS_NETWORK']);
    const gateway = chart.environment('isthmus-eastwestgateway');
    said.push(gateway['ISTIO_META_NETWORK'], gateway['ISTIO_META_REQUESTED_NETWORK_VIEW']);
    const label = 'topology.istio.io/network';
    const labelled = chart.objects.flatMap(({ kind, metadata }) => {
      const value = metadata?.labels?.[label];
      return value === undefined ? [] : [[kind, value] as const];
    });
    expect(labelled.map(([kind]) => kind).sort()).toEqual(['Namespace', 'Service']);
    said.push(...labelled.map(([, value]) => value));
    expect(new Set(said).size).toBe(1);
    expect(said[0]).toMatch(expected);
    expect(said[0]?.length).toBeLessThanOrEqual(63);
  });

  it('has another name in clusters of other long trust domains', async () => {
    const nameIn = async (trustDomain: string): Promise<string | undefined> =>
      (await RenderedChart.render({ trustDomain }, directory)).environment('isthmus-controller')['ISTHMUS_NETWORK'];
    expect(await nameIn(`${long}.b`)).not.toBe(await nameIn(`${long}.c`));
  });
});

describe('values that are refused before anything is rendered', () => {
  it.each<[string, unknown, RegExp]>([
    ['clusterdomain', 'east.example', /additional properties 'clusterdomain' not allowed/],
    ['controller.keyrotation', {}, /'keyrotation' not allowed/],
    ['gateway.adresses', [], /'adresses' not allowed/],
    ['controller.replicas', 'two', /controller.replicas.*\n?.*want integer/],
    ['controller.replicas', 0, /minimum: got 0/],
    ['mesh.enabled', 'yes', /want boolean/],
    ['controller.documents.pollSeconds', -15, /minimum: got -15/],
    ['controller.documents.pollSeconds', 1.5, /want integer/],
    ['mesh.rootRotation.announceSeconds', -1, /minimum: got -1/],
    ['metadataApi.service.port', 0, /minimum: got 0/],
    ['metadataApi.service.port', 65_536, /maximum: got 65,536/],
    ['multicluster.apiPort', 65_536, /maximum: got 65,536/],
    ['gateway.port', 0, /minimum: got 0/],
    ['gateway.addresses', ['host:99999'], /does not match pattern/],
    ['gateway.addresses', ['host:0'], /does not match pattern/],
    ['gateway.addresses', ['host'], /does not match pattern/],
    ['gateway.addresses', ['a:1,b:2'], /does not match pattern/],
    ['multicluster.apiHost', 'api.east.example:65536', /does not match pattern/],
    ['multicluster.readers', [], /minItems/],
    ['metadataApi.trustedProxies', ['proxy.example'], /does not match pattern/],
    ['metadataApi.ingress.host', '*.east.example', /does not match pattern/],
    ['controller.logLevel', 'loud', /must be one of/],
    ['clusterUUID', 'x', /does not match pattern/],
    ['namespaces.root', 'Istio', /does not match pattern/],
    ['network', 'a b', /does not match pattern/],
  ])('%s = %j', async (path, value, message) => {
    const told = await refusal(valuesWith(path, value));
    expect(told).toMatch(message);
    expect(told).toContain(path.split('.')[0]);
  });

  it.each<[string, object, RegExp]>([
    [
      'two doors without a shared store',
      { metadataApi: { replicas: 2 } },
      /metadataApi\.replicas: .*databaseURLSecret/,
    ],
    ['an Ingress without a host', { metadataApi: { ingress: { enabled: true } } }, /metadataApi\.ingress\.host: /],
    ['multicluster without a host', { multicluster: { enabled: true } }, /multicluster\.apiHost: empty/],
  ])('%s, with the remedy', async (_name, values, message) => {
    expect(await refusal(values)).toMatch(message);
  });
});

interface Schema {
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
}

/** Every whole number of the schema by its path. */
function numbersOf(schema: Schema, path = ''): readonly (readonly [string, Schema])[] {
  if (schema.type === 'integer') return [[path.slice(1), schema]];
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => numbersOf(inner, `${path}.${name}`));
}

describe('numbers are bounded by the schema as by the programs', () => {
  const bounded: Readonly<Record<string, Variable<unknown>>> = {
    'controller.keyRotation.announceSeconds': controllerVariables.ISTHMUS_KEY_ANNOUNCE_SECONDS,
    'controller.keyRotation.honourSeconds': controllerVariables.ISTHMUS_KEY_HONOUR_SECONDS,
    'controller.documents.pollSeconds': controllerVariables.ISTHMUS_POLL_SECONDS,
    'mesh.maxStreamsPerSecond': meshVariables.ISTHMUS_MAX_STREAMS_PER_SECOND,
    'mesh.maxWorkloadCertTTLSeconds': meshVariables.ISTHMUS_MAX_WORKLOAD_CERT_TTL,
    'mesh.rootRotation.announceSeconds': meshVariables.ISTHMUS_ROOT_ANNOUNCE_SECONDS,
  };
  const schema = JSON.parse(readFileSync('charts/isthmus/values.schema.json', 'utf8')) as Schema;

  it.each(numbersOf(schema))('%s', async (path, { minimum = NaN, maximum = NaN }) => {
    const variable = bounded[path];
    if (variable === undefined) {
      // Of Kubernetes alone.
      expect(path).toMatch(/(replicas|[pP]ort)$/);
      expect([minimum, maximum]).toEqual(path.endsWith('replicas') ? [1, NaN] : [1, 65_535]);
      return;
    }
    for (const value of [minimum, maximum]) expect(variable.read(String(value))).toBe(value);
    for (const value of [minimum - 1, maximum + 1]) {
      expect(() => variable.read(String(value))).toThrow(/expected a whole number/);
      expect(await refusal(valuesWith(path, value))).toMatch(/m(in|ax)imum: got/);
    }
  });
});

describe('variables', () => {
  const programs: readonly (readonly [string, string, string, object])[] = [
    ['controller', 'isthmus-controller', 'apps/controller/src/main.js', controllerVariables],
    ['metadata-api', 'isthmus-metadata-api', 'apps/metadata-api/src/main.js', doorVariables],
    ['way-out', 'isthmus-way-out', 'apps/metadata-api/src/way-out-main.js', wayOutVariables],
    ['mesh', 'isthmus-mesh', 'apps/mesh/src/main.js', meshVariables],
  ];
  // Of the container alone: Node reads it, and POD_NAMESPACE tells which namespace a proxy is in.
  const notOurs = ['NODE_OPTIONS', 'POD_NAMESPACE'];
  const documented = readFileSync('docs/operations.md', 'utf8');

  it.each(programs)(
    'of %s: what the chart sets is read, what it leaves alone is documented',
    async (_name, deployment, _file, read) => {
      const set: string[] = [];
      for (const values of [{ ...ha, ...multicluster }, multicluster]) {
        const chart = await RenderedChart.render(values, directory);
        const flags = chart.args(deployment).map((arg) => arg.split('=')[0]);
        const byFlag = meshFlags.filter(([flag]) => flags.includes(flag.split(' ')[0]));
        set.push(...chart.variableNames(deployment), ...byFlag.map(([, variable]) => variable));
      }
      expect(set.filter((name) => !(name in read) && !notOurs.includes(name))).toEqual([]);
      const left = Object.keys(read).filter((name) => !set.includes(name) && !documented.includes(`\`${name}\``));
      expect(left).toEqual([]);
    },
  );

  it.each(sets.flatMap(([name, values]) => programs.map((program) => [program[0], name, program, values] as const)))(
    'of %s are sound to it: %s',
    async (_program, _name, [, deployment, file], values) => {
      const chart = await RenderedChart.render(values, directory);
      const rendered = chart.objects.some(
        ({ kind, metadata }) => kind === 'Deployment' && metadata?.name === deployment,
      );
      const { mesh, multicluster: joined } = values as { mesh?: { enabled?: boolean }; multicluster?: object };
      const absent =
        deployment === 'isthmus-mesh' ? mesh?.enabled === false : deployment === 'isthmus-way-out' && !joined;
      expect(rendered).toBe(!absent);
      if (absent) return;
      const kubelet = { POD_NAMESPACE: releaseNamespace, POD_NAME: 'pod-1', DATABASE_URL: 'postgres://x' };
      const given = chart.variableNames(deployment).filter((name) => name in kubelet);
      const env = {
        ...Object.fromEntries(given.map((name) => [name, kubelet[name as keyof typeof kubelet]])),
        ...chart.environment(deployment),
      };
      const args = [join('dist', file), ...chart.args(deployment), '--check'];
      await run(process.execPath, args, { env });
    },
    60_000,
  );
});
