import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterIdFor } from '#model';
import { repositoryDirectory, runCommand, sendSignal, waitFor } from '../../lab/index.js';
import type { ApiObject, ClusterDescription, LabDescription } from '../../lab/index.js';
import { caseLimitMs } from '../limits.js';
import { apiOf, enter, fetchFrom, kubeconfigOf, namespacesOf, processOf, runLab, survivors } from './lab-run.js';
import type { HeldNamespaces, LabRun } from './lab-run.js';
import { standing } from './standing.js';

const folder = mkdtempSync(join(tmpdir(), 'isthmus-lab-command-'));
const node = join(repositoryDirectory(), 'node_modules/node/bin/node');
const runs: LabRun[] = [];
let shared: LabRun;
let lab: LabDescription;
let east: ClusterDescription;
let west: ClusterDescription;
/** What stood when FILE was first seen. */
let atFirst: readonly unknown[];

jest.setTimeout(caseLimitMs);

function run(name: string, ...flags: readonly string[]): LabRun {
  const started = runLab(folder, name, flags);
  runs.push(started);
  return started;
}

interface Deployment extends ApiObject {
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: readonly { readonly env?: readonly { name: string; value?: string }[] }[] };
    };
  };
}

function standingIn({ bornAt }: LabRun, { clusters }: LabDescription): Promise<readonly unknown[]> {
  return Promise.all(clusters.map((cluster) => standing(cluster, bornAt())));
}

beforeAll(async () => {
  writeFileSync(join(folder, 'values.yaml'), 'controller: { keyRotation: { announceSeconds: 77 } }\n');
  shared = run('shared.json', '--clusters', '2', '--multicluster', '--replicas', '2', '--values', 'values.yaml');
  lab = await shared.described;
  atFirst = await standingIn(shared, lab);
  [east, west] = lab.clusters as [ClusterDescription, ClusterDescription];
});

afterAll(async () => {
  await Promise.all(runs.map((each) => each.stop('SIGTERM')));
  rmSync(folder, { recursive: true, force: true });
});

describe('FILE of npm run lab -- --clusters 2 --multicluster --replicas 2 --values values.yaml', () => {
  it('is not there before all is ready', () => {
    expect(atFirst).toEqual([
      { name: 'east', unready: [], peers: ['istiomulticlusters/west True'] },
      { name: 'west', unready: [], peers: ['istiomulticlusters/east True'] },
    ]);
  });

  it('has every field that was promised, and no other', async () => {
    expect(Object.keys(lab)).toEqual(['clusters', 'exec']);
    expect(lab.clusters).toHaveLength(2);
    for (const [index, cluster] of lab.clusters.entries()) expect(cluster).toStrictEqual(promised(cluster, index + 1));
    expect(east.clusterUUID).not.toBe(west.clusterUUID);
    const api = apiOf(east);
    const told = await api.get<{ data?: object }>('/api/v1/namespaces/isthmus-system/configmaps/isthmus-cluster');
    api.close();
    const { clusterUUID, clusterID, trustDomain, clusterDomain, network } = east;
    expect(told?.data).toMatchObject({ clusterUUID, clusterID, trustDomain, clusterDomain, networkName: network });
  });

  it('names files that hold certificates, and a credential for its owner alone', () => {
    for (const { metadataCA, apiCA, xds, apiProxy } of lab.clusters) {
      for (const file of [metadataCA, apiCA, xds.ca, apiProxy?.ca ?? ''])
        expect(new X509Certificate(readFileSync(file)).ca).toBe(true);
      expect(readFileSync(apiProxy?.credentialFile ?? '', 'utf8')).toMatch(/^[\w-]{43}$/);
    }
  });

  it('names the real processes, two of each of ours', () => {
    for (const { pids } of lab.clusters) {
      const found = Object.entries(pids).map(([name, ids]) => [name, ids?.map((pid) => whatRuns(pid))]);
      expect(Object.fromEntries(found)).toEqual({
        controller: ['node controller', 'node controller'],
        'metadata-api': ['node metadata-api', 'node metadata-api'],
        mesh: ['node mesh', 'node mesh'],
        gateway: ['envoy', 'envoy'],
        postgres: ['postgres'],
        etcd: ['etcd'],
        'kube-apiserver': ['kube-apiserver'],
        'node-agent': ['node node-agent'],
      });
    }
    const all = lab.clusters.flatMap(({ pids }) => Object.values(pids).flat());
    expect(new Set(all).size).toBe(all.length);
  });

  it('takes the values along', async () => {
    const api = apiOf(east);
    const path = '/apis/apps/v1/namespaces/isthmus-system/deployments/isthmus-controller';
    const env = (await api.get<Deployment>(path))?.spec.template.spec.containers[0]?.env ?? [];
    api.close();
    expect(env.filter(({ value }) => value === '77')).toHaveLength(1);
  });
});

function promised({ clusterUUID }: ClusterDescription, index: number): unknown {
  const name = index === 1 ? 'east' : 'west';
  const path = expect.stringMatching(/^\/.*\.(conf|yaml|crt|pem|kubeconfig)$|^\/.*\/kubeconfig$/);
  const ids = expect.any(Array);
  return {
    name,
    kubeconfig: path,
    clusterUUID: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    clusterID: clusterIdFor('cluster.local', clusterUUID),
    trustDomain: `${name}.example`,
    clusterDomain: 'cluster.local',
    network: 'network-1',
    namespace: 'isthmus-system',
    rootNamespace: 'istio-system',
    metadataEndpoint: `https://10.10.${index}.10/metadata`,
    metadataCA: path,
    apiHost: `10.10.${index}.10:6443`,
    apiCA: path,
    xds: {
      address: expect.stringMatching(/^10\.96\.\d+\.\d+:15012$/),
      ca: path,
      serverName: 'istiod.istio-system.svc',
    },
    gateway: [`10.10.${index}.11:15443`],
    apiProxy: {
      address: expect.stringMatching(/^10\.96\.\d+\.\d+:443$/),
      ca: path,
      serverName: 'isthmus-way-out.isthmus-system.svc',
      credentialFile: expect.stringMatching(/^\/.*credential$/),
    },
    databaseURL: expect.stringMatching(/^postgres(ql)?:\/\/[^@]+@10\.10\.\d\.4:5432\/\w+$/),
    pids: {
      controller: ids,
      'metadata-api': ids,
      mesh: ids,
      gateway: ids,
      postgres: ids,
      etcd: ids,
      'kube-apiserver': ids,
      'node-agent': ids,
    },
    enter: expect.arrayContaining([expect.any(String)]),
  };
}

/** The program that runs under an id, and where it is Node which of ours. */
function whatRuns(pid: number): string {
  const { program, words } = processOf(pid) ?? { program: 'nothing', words: [] };
  const main = words.map((word) => /([a-z-]+)\/(?:src\/)?main\.js$/.exec(word)?.[1]).find((name) => name !== undefined);
  return program === 'node' ? `node ${main ?? words.join(' ')}` : program;
}

describe('what FILE says is good for what it is there for', () => {
  it('the kubeconfig: from outside, and through `enter`', async () => {
    for (const cluster of lab.clusters) {
      const { server, ca, token } = kubeconfigOf(cluster.kubeconfig);
      const file = join(folder, `${cluster.name}-api.crt`);
      writeFileSync(file, ca);
      const asked = `${server}/api/v1/nodes/${cluster.name}-node`;
      const inside = await fetchFrom(cluster, file, asked, '-H', `authorization: Bearer ${token}`);
      expect([inside.status, inside.complaint]).toEqual([200, '']);
      const api = apiOf(cluster);
      const outside = await api.get(`/api/v1/nodes/${cluster.name}-node`);
      api.close();
      expect(outside?.metadata.uid).toBe((JSON.parse(inside.body) as ApiObject).metadata.uid);
    }
  });

  it('xDS: TLS by its authority and server name, and by no other', async () => {
    const handshake = async (ca: string, serverName: string): Promise<string> => {
      const flags = ['-CAfile', ca, '-servername', serverName, '-verify_hostname', serverName, '-verify_return_error'];
      const ask = ['openssl', 's_client', '-connect', east.xds.address, ...flags];
      const { stdout, stderr } = await enter(east, 'sh', '-c', `${ask.join(' ')} </dev/null`);
      return (
        /Verify return code: (\d+)|verify error:num=(\d+)/
          .exec(stderr + stdout)
          ?.slice(1)
          .join('') ?? stderr
      );
    };
    expect(await handshake(east.xds.ca, east.xds.serverName)).toBe('0');
    expect(await handshake(east.xds.ca, 'elsewhere.example')).toBe('62');
    expect(await handshake(east.metadataCA, east.xds.serverName)).not.toBe('0');
  });

  it('the metadata API and the API host: asked by the peer, TLS by metadataCA and apiCA', async () => {
    const shown = await fetchFrom(east, west.metadataCA, `${west.metadataEndpoint}/public/public.json`);
    expect(JSON.parse(shown.body)).toMatchObject({ clusterUUID: west.clusterUUID });
    const refused = await fetchFrom(east, west.apiCA, `https://${west.apiHost}/version`);
    expect([refused.status, refused.complaint]).toEqual([401, '']);
    const distrusted = await fetchFrom(east, west.xds.ca, `https://${west.apiHost}/version`);
    expect(distrusted.complaint).toMatch(/certificate/);
  });

  it('the way out: a peer’s object through it, with the credential', async () => {
    const { address = '', ca = '', serverName = '', credentialFile = '' } = east.apiProxy ?? {};
    const [ip = '', port = ''] = address.split(':');
    const ask = (...flags: readonly string[]): ReturnType<typeof fetchFrom> => {
      const url = `https://${serverName}:${port}/peers/west/api/v1/nodes/west-node`;
      return fetchFrom(east, ca, url, '--resolve', `${serverName}:${port}:${ip}`, ...flags);
    };
    const found = await ask('-H', `authorization: Bearer ${readFileSync(credentialFile, 'utf8')}`);
    expect([found.status, found.complaint]).toEqual([200, '']);
    expect((JSON.parse(found.body) as ApiObject).metadata.name).toBe('west-node');
    expect((await ask('-H', 'authorization: Bearer another')).status).toBe(401);
  });

  it('the gateway: open to the peer', async () => {
    const connect = `require('net').connect(...process.argv[1].split(':').reverse()).on('connect',()=>process.exit(0)).on('error',()=>process.exit(1))`;
    expect(await enter(east, node, '-e', connect, west.gateway[0] ?? '')).toMatchObject({ code: 0 });
    expect(await enter(east, node, '-e', connect, '10.10.2.11:15444')).toMatchObject({ code: 1 });
  });

  it('databaseURL: the store, with what our product keeps in it', async () => {
    const ask = `const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString: process.argv[1] });
      await client.connect();
      const { rows } = await client.query("select count(*)::int as n from information_schema.tables where table_schema = 'public'");
      console.log(rows[0].n);
      await client.end();`;
    const { stdout, stderr } = await enter(east, node, '--input-type=module', '-e', ask, east.databaseURL);
    expect([Number(stdout) > 2, stderr]).toEqual([true, '']);
  });

  it('exec: a command in a pod, by the Deployment’s name', async () => {
    const command = ['call-http', '--timeout', '30000', 'http://echo.demo.svc.cluster.local/'];
    const { code, stdout } = await runCommand([...lab.exec, 'west', 'demo', 'client', '--', ...command]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, status: 200 });
    expect(await runCommand([...lab.exec, 'west', 'demo', 'client', '--', 'sh', '-c', 'exit 7'])).toMatchObject({
      code: 7,
    });
  });

  it('enter: 10.10.200.5 is free to bind, reached from that cluster’s pods; its own metadata is fetched from there', async () => {
    const server = `require('http').createServer((q,r)=>r.end('guest')).listen(8080,'10.10.200.5',()=>console.log('bound'))`;
    const [program = '', ...words] = [...east.enter, node, '-e', server];
    const guest = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await new Promise((done, fail) => guest.once('exit', fail).stdout.once('data', done));
      const ask = ['call-http', '--timeout', '15000', 'http://10.10.200.5:8080/'];
      const fromPod = await runCommand([...lab.exec, 'east', 'demo', 'client', '--', ...ask]);
      expect(JSON.parse(fromPod.stdout)).toMatchObject({ ok: true, body: 'guest' });
      const fromThere = await fetchFrom(
        east,
        east.metadataCA,
        `${east.metadataEndpoint}/public/public.json`,
        '--interface',
        '10.10.200.5',
      );
      expect(JSON.parse(fromThere.body)).toMatchObject({ clusterUUID: east.clusterUUID });
    } finally {
      await ended(guest);
    }
  });
});

function ended(child: ChildProcess): Promise<unknown> {
  const closed = new Promise((done) => child.once('close', done));
  child.removeAllListeners('exit').kill('SIGKILL');
  return closed;
}

describe('FILE follows what happens', () => {
  it('has another id after kill -9 of one replica of mesh, the same ones for all others; it is replaced, never written over', async () => {
    const before = shared.read();
    const [victim = 0, other = 0] = before.clusters[0]?.pids.mesh ?? [];
    const versions = shared.seen.length;
    process.kill(victim, 'SIGKILL');
    const after = await waitFor(
      async () => {
        const now = shared.read();
        const ids = now.clusters[0]?.pids.mesh ?? [];
        // What watches FILE looks by a timer of its own, and may see the new one later than this does.
        const isSeen = shared.seen.length > versions;
        return isSeen && ids.length === 2 && !ids.includes(victim) ? now : undefined;
      },
      { what: 'another mesh process in a FILE of its own', timeoutMs: 120_000 },
    );
    const mesh = after.clusters[0]?.pids.mesh ?? [];
    expect(mesh).toContain(other);
    expect(mesh.map((pid) => whatRuns(pid))).toEqual(['node mesh', 'node mesh']);
    const apart = ({ clusters }: LabDescription): unknown =>
      clusters.map((cluster) => ({ ...cluster, pids: { ...cluster.pids, mesh: [] } }));
    expect(apart(after)).toEqual(apart(before));
    expect(shared.seen.filter(({ fault }) => fault !== undefined)).toEqual([]);
    await noUnfinished('shared.json');
  });

  it('names nothing that lives on after SIGTERM to npm: no process, no namespace, no folder', async () => {
    const last = shared.read();
    const pids = last.clusters.flatMap((each) => Object.values(each.pids).flat());
    const [namespaces, home] = remainsOf(last);
    expect([pids.every((pid) => processOf(pid) !== undefined), namespaces.numbers.size > 10, existsSync(home)]).toEqual(
      [true, true, true],
    );
    await shared.stop('SIGTERM');
    await nothingLeft(namespaces, home, 'shared.json');
  });
});

/** Beside FILE there is nothing that has its name; one may be about to take its place just now. */
async function noUnfinished(file: string): Promise<void> {
  await waitFor(
    async () => {
      const others = readdirSync(folder).filter((name) => name.startsWith(file) && name !== file);
      if (others.length === 0) return true;
      throw new Error(`there is ${others.join(', ')}`);
    },
    { what: `an end of files beside ${file}`, timeoutMs: 20_000 },
  );
}

async function nothingLeft(namespaces: HeldNamespaces, home: string, name: string): Promise<void> {
  const gone = waitFor(
    async () => {
      const left = survivors(namespaces.numbers, [home, name]);
      if (left.length === 0 && !existsSync(home)) return true;
      throw new Error(`there are still ${left.join(', ') || home}`);
    },
    { what: `the end of all of ${name}`, timeoutMs: 60_000 },
  );
  await gone.finally(() => namespaces.letGo());
}

/** What has to go with a lab: namespaces of its processes, and its folder. */
function remainsOf({ clusters }: LabDescription): readonly [HeldNamespaces, string] {
  const pids = clusters.flatMap((each) => Object.values(each.pids).flat());
  return [namespacesOf(pids), join(clusters[0]?.kubeconfig ?? '', '../..')];
}

describe('npm run lab without further flags', () => {
  it('federates two clusters of different domains, without a way out, until SIGINT to npm alone', async () => {
    const plain = run('plain.json');
    const described = await plain.described;
    const { clusters } = described;
    expect(await standingIn(plain, described)).toEqual([
      { name: 'east', unready: [], peers: ['istiofederations/west True'] },
      { name: 'west', unready: [], peers: ['istiofederations/east True'] },
    ]);
    expect(clusters.map(({ clusterDomain, network }) => [clusterDomain, network])).toEqual([
      ['east.example', 'network-east'],
      ['west.example', 'network-west'],
    ]);
    expect(clusters.map((cluster) => 'apiProxy' in cluster)).toEqual([false, false]);
    expect(clusters.map(({ pids }) => pids.mesh?.length)).toEqual([1, 1]);
    const remains = remainsOf(described);
    await plain.stop('SIGINT');
    await nothingLeft(...remains, 'plain.json');
  });

  it('does not with --no-peers; ^C in a terminal, which all get and some twice, ends it in order', async () => {
    const alone = run('alone.json', '--no-peers', '--up-to', 'product');
    const described = await alone.described;
    expect(await standingIn(alone, described)).toEqual([
      { name: 'east', unready: [], peers: [] },
      { name: 'west', unready: [], peers: [] },
    ]);
    const remains = remainsOf(described);
    for (const line of survivors(new Set(), ['alone.json'])) sendSignal(Number(line.split(' ')[0]), 'SIGINT');
    await alone.stop('SIGINT');
    await nothingLeft(...remains, 'alone.json');
  });
});
