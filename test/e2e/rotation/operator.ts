import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Condition } from '../../demo/scene.js';
import { eventually, patienceMs } from '../../demo/story.js';
import { addressAnnotation, runCommand } from '../../lab/index.js';
import type { ApiObject, Lab, LabCluster, RunningLoad } from '../../lab/index.js';

const doorSecret = '/api/v1/namespaces/isthmus-system/secrets/isthmus-metadata-tls';
const services = '/api/v1/namespaces/isthmus-system/services';

export interface Secret extends ApiObject {
  readonly data?: Readonly<Record<string, string>>;
}

/**
 * The door's certificate is the chart's own, so that it is ours to replace; what takes minutes and days takes seconds. What is announced is
 * announced for longer than peers take to look, and honoured for longer than the command takes to see that it is in use.
 */
export const rotatingValues = {
  controller: { keyRotation: { announceSeconds: 16, honourSeconds: 20 }, documents: { pollSeconds: 3 } },
  metadataApi: { tls: { secretName: '', hosts: ['10.10.1.10', '10.10.2.10'] } },
  mesh: { maxWorkloadCertTTLSeconds: 30, rootRotation: { announceSeconds: 16 } },
};

/** The command, as an operator types it. @throws Error with what it says when it fails */
export async function isthmus(cluster: LabCluster, ...words: readonly string[]): Promise<string> {
  const program = ['dist/apps/controller/src/command/main.js', '--kubeconfig', cluster.files.kubeconfig];
  const { code, stdout, stderr } = await runCommand([process.execPath, ...program, ...words], { timeoutMs: 300_000 });
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

export function doorSecretOf(cluster: LabCluster): Promise<Secret | undefined> {
  return cluster.api.get<Secret>(doorSecret);
}

export async function doorCertificate(cluster: LabCluster): Promise<string> {
  const secret = await doorSecretOf(cluster);
  return Buffer.from(secret?.data?.['tls.crt'] ?? '', 'base64').toString('utf8');
}

/** Another address at which the same gateway answers, beside the first: resolves when the peer gets through to it. */
export async function secondGateway(lab: Lab, cluster: LabCluster, peer: LabCluster): Promise<string> {
  const old = await cluster.api.get<ApiObject & { spec: { selector: object } }>(`${services}/isthmus-eastwestgateway`);
  const address = cluster.plan.gatewayAddress.replace(/\.11$/, '.19');
  await cluster.api.apply(`${services}/second-gateway`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'second-gateway', annotations: { [addressAnnotation]: address } },
    spec: {
      type: 'LoadBalancer',
      selector: old?.spec.selector,
      ports: [{ name: 'tls', port: 15443, targetPort: 15443 }],
    },
  });
  const connect = `require('net').connect(15443, process.argv[1]).on('connect', () => process.exit(0)).on('error', () => process.exit(1))`;
  await eventually(`${peer.name} to get through to ${address}`, patienceMs, async () => {
    const { code } = await lab.runIn(peer.name, [process.execPath, '-e', connect, address], { timeoutMs: 10_000 });
    return code === 0 ? true : undefined;
  });
  return address;
}

/** Conditions that are bad. */
export function badNews(conditions: readonly Condition[] = []): readonly string[] {
  return conditions
    .filter(({ status }) => status === 'False')
    .map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
}

/** What looking again and again came to. */
export interface Looked {
  /** How many looks saw something. */
  readonly looks: number;
  /** How much longer than its pause the longest round took, milliseconds: for as long this process and what it asks stood still. */
  readonly stalledMs: number;
}

/** Looks every so many milliseconds until stopped. A look that fails has seen nothing; the next one has. */
export function keepLooking(everyMs: number, look: () => Promise<void>): { readonly stop: () => Promise<Looked> } {
  let [over, looks, stalledMs] = [false, 0, 0];
  const looking = (async (): Promise<void> => {
    while (!over) {
      const began = performance.now();
      const saw = await look().then(
        () => true,
        () => false,
      );
      if (saw) looks += 1;
      // Where a case fails before it stops this nothing may hold the process.
      await pause(everyMs, undefined, { ref: false });
      stalledMs = Math.max(stalledMs, performance.now() - began - everyMs);
    }
  })();
  return {
    stop: async () => {
      over = true;
      await looking;
      return { looks, stalledMs };
    },
  };
}

/** Without what says that an answer never came, where the machine itself stood still for nearly as long as was waited for it. */
export function withoutStalls(news: Iterable<string>, { stalledMs }: Looked): readonly string[] {
  return [...news].filter((text) => {
    const [, count, unit] = /no (?:whole )?answer within (\d+) (ms|s)\b/.exec(text) ?? [];
    return count === undefined || stalledMs < 0.8 * Number(count) * (unit === 's' ? 1000 : 1);
  });
}

export async function firstGatewayGoes(cluster: LabCluster): Promise<void> {
  await cluster.api.delete(`${services}/isthmus-eastwestgateway`);
}

export async function withoutFailure(running: readonly RunningLoad[]): Promise<void> {
  const reports = await Promise.all(running.map((each) => each.stop()));
  expect(reports.map(({ failures, firstFailures }) => ({ failures, firstFailures }))).toEqual(
    reports.map(() => ({ failures: 0, firstFailures: [] })),
  );
  for (const { calls } of reports) expect(calls).toBeGreaterThan(50);
}
