import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  deploymentsAvailable,
  federationFor,
  federationIsReady,
  helmUpgrade,
  runCommand,
  startLab,
  startLoad,
} from '../../lab/index.js';
import type { ApiObject, Lab, LabCluster, RunningLoad } from '../../lab/index.js';
import {
  call,
  closedAtDoor,
  condition,
  federation,
  label,
  publicLabel,
  serviceEntryHosts,
  untilAnswered,
} from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import { caseLimitMs } from '../limits.js';
import {
  badNews,
  doorCertificate,
  doorSecretOf,
  firstGatewayGoes,
  isthmus,
  keepLooking,
  rotatingValues,
  secondGateway,
  withoutFailure,
  withoutStalls,
} from './operator.js';

const host = 'echo.demo.svc.west.example';
const federations = '/apis/isthmus.dev/v1alpha1/istiofederations';
const folder = mkdtempSync(join(tmpdir(), 'isthmus-rotation-'));
let lab: Lab;
let east: LabCluster;
let west: LabCluster;

jest.setTimeout(caseLimitMs);

beforeAll(async () => {
  const file = join(folder, 'values.json');
  writeFileSync(file, JSON.stringify(rotatingValues));
  lab = await startLab({ clusters: 2, peers: false, values: [file] });
  [east, west] = lab.clusters as [LabCluster, LabCluster];
  await Promise.all([federate(east, west), federate(west, east)]);
  await Promise.all([federationIsReady(east, 'west'), federationIsReady(west, 'east')]);
  await label(west, 'echo', { [publicLabel]: '' });
  await firstCall();
});

afterAll(async () => {
  await lab?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Each side is told the other door's certificate as it is now, and never again. */
async function federate(cluster: LabCluster, peer: LabCluster): Promise<void> {
  const resource = federationFor(peer) as { readonly spec: object };
  const spec = { ...resource.spec, metadata: { ca: await doorCertificate(peer) } };
  await cluster.api.apply(`${federations}/${peer.name}`, { ...resource, spec });
}

function firstCall(): Promise<void> {
  return untilAnswered(lab, east, 'call-http', `http://${host}/`);
}

/** Calls that each open a connection of their own would hide behind retries what a kept one shows, and the other way round: both. */
function loads(): readonly RunningLoad[] {
  const wish = { cluster: 'east', namespace: 'demo', pod: 'client', rate: 20, timeoutMs: 15_000 } as const;
  return [
    startLoad(lab, { ...wish, tool: 'call-http', target: `http://${host}/` }),
    startLoad(lab, { ...wish, tool: 'call-grpc', target: `${host}:9090` }),
  ];
}

/** What east said of west that was no good news while it was looked at. */
function watchConditions(): { readonly stop: () => Promise<readonly string[]> } {
  const seen = new Set<string>();
  const looking = keepLooking(200, async () => {
    for (const news of badNews((await federation(east, 'west'))?.status?.conditions)) seen.add(news);
  });
  return {
    stop: async () => {
      const looked = await looking.stop();
      expect(looked.looks).toBeGreaterThan(5);
      return withoutStalls(seen, looked);
    },
  };
}

/** The resource as the operator wrote it, and what is known of the peer. */
async function aboutWest(): Promise<{
  readonly spec: unknown;
  readonly roots: readonly unknown[];
  readonly keys: readonly unknown[];
}> {
  const found = (await federation(east, 'west')) as
    (Awaited<ReturnType<typeof federation>> & { spec?: unknown }) | undefined;
  const { roots = [], keys = [] } = found?.status?.peer ?? {};
  return { spec: found?.spec, roots, keys };
}

interface TrustShown {
  readonly roots: readonly { readonly fingerprint: string; readonly notAfter: string }[];
  readonly keys: readonly { readonly fingerprint: string }[];
}

const printsOf = (shown: readonly { readonly fingerprint: string }[]): readonly string[] =>
  shown.map(({ fingerprint }) => fingerprint).sort();

async function shownTrust(
  cluster: LabCluster,
): Promise<TrustShown & { readonly peers: readonly (TrustShown & { readonly peer: string })[] }> {
  return JSON.parse(await isthmus(cluster, '-o', 'json', 'trust', 'show')) as Awaited<ReturnType<typeof shownTrust>>;
}

/** Fingerprint of what the door shows to who connects. */
async function servedCertificate({ name, plan }: LabCluster): Promise<string> {
  const look = `openssl s_client -connect ${plan.doorAddress}:443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint`;
  const { stdout } = await lab.runIn(name, ['sh', '-c', look]);
  if (!stdout.includes('Fingerprint=')) throw new Error(`the door of ${name} shows no certificate`);
  return stdout;
}

/** Workload certificates that the cluster's mesh core has issued since it started. */
async function certificatesIssued({ name, api }: LabCluster): Promise<number> {
  const pods = await api.list<ApiObject & { readonly status?: { readonly podIP?: string } }>(
    '/api/v1/namespaces/istio-system/pods',
  );
  const address = pods.items.find(({ metadata }) => metadata.name.startsWith('isthmus-mesh-'))?.status?.podIP ?? '';
  const { stdout } = await lab.runIn(name, ['curl', '-s', `http://${address}:15014/metrics`]);
  const found = /^isthmus_mesh_certificates_total\{[^}]*result="issued"[^}]*\} (\d+)$/m.exec(stdout)?.[1];
  if (found === undefined) throw new Error(`the mesh core of ${name} counts no certificates: ${stdout.slice(0, 200)}`);
  return Number(found);
}

describe('what is replaced by one command, under load', () => {
  it('signing key, root and the door’s certificate at once: no call fails, no condition turns, the peer’s resource stays as it is', async () => {
    const running = loads();
    const watching = watchConditions();
    const before = await aboutWest();
    const [oldDoor, oldServed] = await Promise.all([doorCertificate(west), servedCertificate(west)]);
    const told = await Promise.all(
      // Two are asked for twice: who asks while one is announced joins it, and each is told when it is done.
      ['signing-key', 'root', 'door-certificate', 'signing-key', 'root'].map((what) =>
        isthmus(west, 'trust', 'rotate', what),
      ),
    );
    expect(told[3]).toMatch(/√ .*signs/);
    expect(told[4]).toMatch(/√ .*nothing is under way/);
    expect(told[0]).toMatch(/is announced to peers[^]*√ .*signs/);
    expect(told[1]).toMatch(/trusted beside the old one[^]*the new root issues[^]*√ .*nothing is under way/);
    expect(told[2]).toMatch(/not served yet[^]*√ .*it is served/);
    await eventually('the new ones alone', patienceMs, async () => {
      const { roots } = await aboutWest();
      const authorities = (await doorSecretOf(west))?.data?.['ca.crt'] ?? '';
      const oldIsTold = Buffer.from(authorities, 'base64').includes(oldDoor.trim());
      const oldIsServed = (await servedCertificate(west)) === oldServed;
      if (!oldIsServed && !oldIsTold && roots.length === 1) return true;
      throw new Error(`old certificate served: ${oldIsServed}, told: ${oldIsTold}; ${roots.length} roots`);
    });
    await withoutFailure(running);
    const after = await aboutWest();
    expect(after.spec).toEqual(before.spec);
    expect(after.roots).not.toEqual(before.roots);
    expect(after.keys).not.toEqual(before.keys);
    // West is still heard, by its new certificate: what changes there arrives here.
    await label(west, 'echo', { [publicLabel]: null });
    await eventually('the import to go', patienceMs, async () =>
      (await serviceEntryHosts(east)).length === 0 ? true : undefined,
    );
    await label(west, 'echo', { [publicLabel]: '' });
    await firstCall();
    expect(await watching.stop()).toEqual([]);
  });

  it('shows what is trusted', async () => {
    const shown = await isthmus(east, 'trust', 'show');
    expect(shown).toMatch(/IstioFederation\/west: Succeeded, trust domain west\.example\n {2}root sha256:[0-9a-f]{64}/);
    const here = await shownTrust(east);
    expect(here.peers.map(({ peer }) => peer)).toEqual(['IstioFederation/west']);
    // What west says of itself is what east sees of it, letter by letter.
    const prints = ({ roots, keys }: TrustShown): string => JSON.stringify([roots, keys].map(printsOf));
    await eventually('both to tell the same', patienceMs, async () => {
      const [there, seen] = await Promise.all([shownTrust(west), shownTrust(east)]);
      const [peer] = seen.peers;
      if (peer === undefined || there.keys.length === 0 || prints(there) !== prints(peer))
        throw new Error(`west: ${prints(there)}; east: ${JSON.stringify(peer)}`);
      expect(there.roots[0]?.notAfter).toBe(peer.roots[0]?.notAfter);
      return true;
    });
    await expect(isthmus(east, 'trust', 'rotate', 'everything')).rejects.toThrow(/give one of signing-key, root/);
    await expect(isthmus(east, 'trust', 'revoke', 'west')).rejects.toThrow(/give istiofederation\/NAME/);
  });
});

describe('a gateway that moves to another address', () => {
  it('loses no call: by one command both are told until the peer has heard, then the new one alone', async () => {
    const address = await secondGateway(lab, west, east);
    const running = loads();
    const known = async (): Promise<string> =>
      ((await federation(east, 'west'))?.status?.gateways?.addresses ?? [])
        .map((each) => each.address)
        .sort()
        .join(' ');
    const first = west.plan.gatewayAddress;
    const rotate = async (...words: readonly string[]): Promise<string> => {
      const both = eventually('east to know both', patienceMs, async () =>
        (await known()) === [first, address].sort().join(' ') ? true : undefined,
      );
      const [told] = await Promise.all([isthmus(west, 'trust', 'rotate', 'gateway-addresses', ...words), both]);
      return told;
    };
    const alone = (only: string): Promise<true> =>
      eventually(`east to know ${only} alone`, patienceMs, async () => ((await known()) === only ? true : undefined));
    // There, back to what is discovered, and there again: both answer all the time.
    expect(await rotate('--to', `${address}:15443`)).toMatch(
      new RegExp(`beside it ${first}:15443, until they have heard[^]*√ .*told ${address}:15443 \\(annotation`),
    );
    await alone(address);
    expect(await rotate('--withdraw')).toMatch(new RegExp(`√ .*peers are told ${first}:15443 \\(discovered\\)`));
    await alone(first);
    await rotate('--to', `${address}:15443`);
    await alone(address);
    expect(await isthmus(west, 'trust', 'show')).toContain(
      `gateway-addresses: in use; peers are told ${address}:15443`,
    );
    await expect(isthmus(west, 'trust', 'rotate', 'gateway-addresses', '--to', address)).rejects.toThrow(
      `--to: "${address}" is no host:port`,
    );
    await firstGatewayGoes(west);
    await new Promise((done) => setTimeout(done, 3_000));
    await withoutFailure(running);
    await firstCall();
  });
});

describe('trust that is withdrawn by one command', () => {
  /** What the command waits for is east's status: sidecars hear a moment later. */
  const atOnceMs = 30_000;

  it('ends at once, tells what was cut, and comes back as it was', async () => {
    const running = loads();
    const known = (await federation(east, 'west'))?.status?.peer?.roots;
    const told = await isthmus(east, 'trust', 'revoke', 'istiofederation/west');
    expect(told).toMatch(/√ trust in west\.example ended after \d/);
    expect(told).toContain(`√ root ${known?.[0]?.fingerprint} vouches for nothing any more`);
    expect(told).toContain('√ 1 imported service removed');
    await closedAtDoor(east, told, /metadata-api \S+ closed 1 stream, 0 watches and 0 requests of this peer/);
    expect(await condition(east, 'west', 'TrustEstablished')).toMatchObject({ status: 'False', reason: 'Revoked' });
    await eventually('the import to be gone', atOnceMs, async () =>
      (await serviceEntryHosts(east)).length === 0 ? true : undefined,
    );
    await eventually('calls to be refused', atOnceMs, async () =>
      (await call(lab, east, 'call-http', `http://${host}/`)).ok ? undefined : true,
    );
    await eventually('west to be told that it is not trusted', patienceMs, async () =>
      (await condition(west, 'east', 'MetadataSynced'))?.status === 'False' ? true : undefined,
    );
    const back = await isthmus(east, 'trust', 'restore', 'ifed/west');
    expect(back).toMatch(/√ /);
    await firstCall();
    expect((await federation(east, 'west'))?.status?.peer?.roots).toEqual(known);
    await Promise.all(running.map((each) => each.stop()));
  });

  it('is refused with a remedy where there is no such peer', async () => {
    await expect(isthmus(east, 'trust', 'revoke', 'istiofederation/nobody')).rejects.toThrow(
      'IstioFederation nobody: there is none in this cluster',
    );
  });
});

describe('a root that is replaced while certificates last for a day', () => {
  const phase = async (): Promise<string> => {
    const path = '/api/v1/namespaces/isthmus-system/configmaps/isthmus-ca';
    const told = await west.api.get<ApiObject & { data?: Readonly<Record<string, string>> }>(path);
    return (JSON.parse(told?.data?.['rotation.json'] ?? '{}') as { phase?: string }).phase ?? 'none';
  };
  const reaches = (wanted: string): Promise<true> =>
    eventually(`phase ${wanted}`, patienceMs, async () => ((await phase()) === wanted ? true : undefined));

  /** Certificates of half a minute are renewed before it is over, however late: when nobody asks for longer, all are long ones. */
  async function quiet(): Promise<number> {
    let [count, since] = [-1, Date.now()];
    return eventually('nobody to ask for a certificate', 2 * patienceMs, async () => {
      const now = await certificatesIssued(west);
      if (now !== count) [count, since] = [now, Date.now()];
      return Date.now() - since > 35_000 ? now : undefined;
    });
  }

  it('makes no workload ask for another: one certificate is issued, for the signing key, and no call fails', async () => {
    const file = join(folder, 'long.json');
    writeFileSync(
      file,
      JSON.stringify({ ...rotatingValues, mesh: { ...rotatingValues.mesh, maxWorkloadCertTTLSeconds: 86_400 } }),
    );
    await helmUpgrade(lab, west, [file]);
    await deploymentsAvailable(west, 'istio-system');
    const before = await quiet();
    const running = loads();
    await isthmus(west, 'trust', 'rotate', 'root', '--no-wait');
    await reaches('announced');
    await reaches('leaving');
    // The key chain that peers are shown leads to roots they are shown: it alone is renewed, when there are two of them.
    expect((await quiet()) - before).toBe(1);
    expect(await phase()).toBe('leaving');
    await withoutFailure(running);
  });
});

describe('helm uninstall', () => {
  const uninstall = (): ReturnType<typeof runCommand> => {
    const homes = ['HELM_CACHE_HOME', 'HELM_CONFIG_HOME', 'HELM_DATA_HOME'];
    const env = homes.map((name) => `${name}=${join(east.plan.directory, 'helm')}`);
    const where = ['--namespace=isthmus-system', `--kubeconfig=${east.files.kubeconfig}`];
    return runCommand(['env', ...env, lab.plan.parts.helm, 'uninstall', 'isthmus', ...where], { timeoutMs: 120_000 });
  };

  it('is refused by name while there are peers, and leaves nothing hanging when they were deleted first', async () => {
    const refused = await uninstall();
    expect([refused.code === 0, refused.stderr]).toEqual([
      false,
      expect.stringContaining('isthmus-delete-peers-first'),
    ]);
    await expect(isthmus(east, 'uninstall-check')).rejects.toThrow('kubectl delete istiofederation/west');
    await east.api.delete(`${federations}/west`);
    await eventually('west to be let go', patienceMs, async () =>
      (await federation(east, 'west')) === undefined ? true : undefined,
    );
    expect(await uninstall()).toMatchObject({ code: 0 });
    expect(await serviceEntryHosts(east)).toEqual([]);
  });
});
