import type { EndpointSlice, Pod, Service } from '#istio-api';
import { pathFor, pathOfObject, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { labels } from '#model';

/** Creates objects in order; those that exist already stay. */
export async function createAll(client: KubeClient, objects: readonly ApiObject[]): Promise<void> {
  for (const object of objects) await client.apply(object, { fieldManager: 'test' });
}

export function namespace(name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

export function serviceAccount(namespaceName: string, name: string): ApiObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: namespaceName, name } };
}

export interface PodFacts {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A pod as a kubelet would report it: running, ready, with an address. */
export async function createPod(client: KubeClient, facts: PodFacts): Promise<void> {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: facts.namespace,
      name: facts.name,
      labels: { ...facts.labels, [labels.tlsMode]: 'istio' },
    },
    spec: {
      serviceAccountName: facts.name,
      nodeName: 'node-1',
      containers: [{ name: 'app', image: 'app', ports: [{ name: 'web', containerPort: 8080 }] }],
    },
  };
  await client.apply(pod, { fieldManager: 'test' });
  const status = {
    phase: 'Running',
    podIP: facts.address,
    podIPs: [{ ip: facts.address }],
    conditions: [{ type: 'Ready', status: 'True' }],
  };
  await client.patch(`${pathOfObject(pod, 'status')}`, { status }, 'application/merge-patch+json');
}

export interface ServiceFacts {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIP?: string;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: number | string }[];
  readonly selector: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

export function service({ namespace: ns, name, clusterIP, ports, selector, labels: own = {} }: ServiceFacts): Service {
  const address = clusterIP === undefined ? {} : { clusterIP };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: ns, name, labels: own },
    spec: { ...address, selector, ports: ports.map((port) => ({ ...port, protocol: 'TCP' })) },
  };
}

/** The EndpointSlice that the endpoint controller would write (there is none here). */
export function slice(of: Service, port: number, pods: readonly PodFacts[]): EndpointSlice {
  const { namespace: ns = '', name = '' } = of.metadata ?? {};
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: ns, name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: pods.map((pod) => ({
      addresses: [pod.address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', namespace: pod.namespace, name: pod.name },
    })),
    ports: (of.spec?.ports ?? []).map((each) => ({ name: each.name ?? '', port, protocol: 'TCP' })),
  };
}

/** A token of a service account as the kubelet would mount it. */
export async function tokenOf(
  client: KubeClient,
  account: { readonly namespace: string; readonly name: string },
  audience = 'istio-ca',
): Promise<string> {
  const path = `${pathFor(resources.serviceAccounts, account)}/token`;
  const body = JSON.stringify({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [audience], expirationSeconds: 3600 },
  });
  const answer = await client.request({ method: 'POST', path, body });
  if (answer.status !== 201) throw new Error(`no token for ${account.namespace}/${account.name}: ${answer.body}`);
  return (JSON.parse(answer.body) as { status: { token: string } }).status.token;
}
