import type { ApiObject, KubeClient } from '#kube';
import { podsNamespace } from './reads.js';
import { eventAnnotation } from './watch-tally.js';

const lanes = 32;

/** Pods as a Deployment would have them; no node takes them, so they stay as they are. */
export async function createPods(client: KubeClient, count: number, say: (line: string) => void): Promise<void> {
  await client.apply(namespaceOf(podsNamespace), { fieldManager: 'bench' });
  await atOnce(count, async (index) => {
    await client.create(pod(index));
    if (index % 500 === 499) say(`${index + 1} of ${count} pods`);
  });
}

/** One EndpointSlice in a namespace of its own for each group of watches. */
export async function createSlices(client: KubeClient, groups: number): Promise<void> {
  await atOnce(groups, async (group) => {
    await client.apply(namespaceOf(groupNamespace(group)), { fieldManager: 'bench' });
    await client.create(slice(group, -1));
  });
}

export function groupNamespace(group: number): string {
  return `${podsNamespace}-${group}`;
}

/** The EndpointSlice of a group, as it is from this event on. */
export function slice(group: number, event: number): ApiObject {
  const object = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: groupNamespace(group),
      name: 'watched',
      labels: { 'kubernetes.io/service-name': 'watched' },
      annotations: { [eventAnnotation]: String(event) },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: 5 }, (_, index) => ({
      addresses: [`10.250.${group % 250}.${index + 1}`],
      conditions: { ready: true, serving: true, terminating: false },
    })),
  };
  return object;
}

function namespaceOf(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

function pod(index: number): ApiObject {
  const app = `app-${index % 100}`;
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: podsNamespace,
      name: `pod-${index}`,
      labels: { app, version: 'v1', 'pod-template-hash': '5d4f8c7b9', 'security.istio.io/tlsMode': 'istio' },
      annotations: { 'sidecar.istio.io/status': '{"initContainers":["istio-init"],"containers":["istio-proxy"]}' },
    },
    spec: {
      serviceAccountName: app,
      automountServiceAccountToken: false,
      containers: [container(app, 8080), container('istio-proxy', 15_090)],
    },
  };
  return object;
}

function container(name: string, port: number): object {
  return {
    name,
    image: `registry.example/${name}:1`,
    ports: [{ name: 'http', containerPort: port }],
    env: ['LOG_LEVEL', 'REGION', 'ENDPOINT'].map((variable) => ({ name: variable, value: `${name} ${variable}` })),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '512Mi' } },
    readinessProbe: { httpGet: { path: '/ready', port }, periodSeconds: 10 },
  };
}

/** Works on `0 … count - 1`, some at a time. */
export async function atOnce(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
