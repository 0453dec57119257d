import type { EnvVar, PodTemplateSpec } from '#istio-api';
import { deploymentsAvailable } from './deployments.js';
import { applyNamespace } from './install.js';
import type { LabCluster } from './lab.js';
import type { ApiObject } from './api.js';

export const demoNamespace = 'demo';

/** A pod template as a user would write it: no sidecar in it. */
export interface PodTemplate extends PodTemplateSpec {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: PodTemplateSpec['spec'] & { readonly serviceAccountName: string };
}

/** What makes a template one with a sidecar. */
export type Injector = (template: PodTemplate, cluster: LabCluster) => Promise<object>;

const field = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });
const ordinaryUser = { runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, allowPrivilegeEscalation: false };

/** Pod template of the echo server. */
export function echoTemplate(cluster: Pick<LabCluster, 'name'>, app = 'echo'): PodTemplate {
  return {
    metadata: { labels: { app } },
    spec: {
      serviceAccountName: app,
      terminationGracePeriodSeconds: 5,
      containers: [
        {
          name: 'echo',
          image: 'isthmus-lab/echo:1',
          env: [
            field('POD_NAME', 'metadata.name'),
            field('POD_NAMESPACE', 'metadata.namespace'),
            { name: 'CLUSTER', value: cluster.name },
          ],
          ports: [
            { name: 'http', containerPort: 8080 },
            { name: 'grpc', containerPort: 9090 },
            { name: 'tcp-echo', containerPort: 9000 },
          ],
          // A connect would be answered by the sidecar, whether the server is there or not.
          readinessProbe: {
            exec: { command: ['test', '-e', '/tmp/ready'] },
            periodSeconds: 1,
            // To begin a process may take seconds, which makes no server unready.
            timeoutSeconds: 10,
            failureThreshold: 6,
          },
          securityContext: ordinaryUser,
        },
      ],
    },
  };
}

/** Pod template of the client. */
export function clientTemplate(app = 'client'): PodTemplate {
  return {
    metadata: { labels: { app } },
    spec: {
      serviceAccountName: app,
      terminationGracePeriodSeconds: 5,
      containers: [{ name: 'client', image: 'isthmus-lab/client:1', securityContext: ordinaryUser }],
    },
  };
}

/** Service `echo`: HTTP on 80, gRPC on 9090, raw TCP on 9000. */
export function echoService(namespace: string, name = 'echo'): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      selector: { app: name },
      ports: [
        { name: 'http', port: 80, targetPort: 8080 },
        { name: 'grpc', port: 9090, targetPort: 9090 },
        { name: 'tcp-echo', port: 9000, targetPort: 9000 },
      ],
    },
  };
}

/** Applies a Deployment with its service account. */
export async function applyDeployment(
  cluster: LabCluster,
  namespace: string,
  template: PodTemplate,
  how: { readonly inject?: Injector; readonly replicas?: number } = {},
): Promise<void> {
  const name = template.spec.serviceAccountName;
  const core = `/api/v1/namespaces/${namespace}`;
  const metadata = { name, namespace };
  await cluster.api.apply(`${core}/serviceaccounts/${name}`, { apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  await cluster.api.apply(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: how.replicas ?? 1,
      selector: { matchLabels: template.metadata.labels },
      template: how.inject === undefined ? template : await how.inject(template, cluster),
    },
  });
}

/** The lab's fixed workloads: Deployments `client` and `echo` and Service `echo` in namespace `demo`. */
export async function deployWorkloads(
  cluster: LabCluster,
  how: { readonly inject?: Injector; readonly progress?: (line: string) => void },
): Promise<void> {
  await applyNamespace(cluster, demoNamespace);
  await cluster.api.apply(`/api/v1/namespaces/${demoNamespace}/services/echo`, echoService(demoNamespace));
  await applyDeployment(cluster, demoNamespace, echoTemplate(cluster), how);
  await applyDeployment(cluster, demoNamespace, clientTemplate(), how);
  await deploymentsAvailable(cluster, demoNamespace, how.progress);
}

interface Pod extends ApiObject {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Name of a ready pod with label `app`. @throws Error when there is none */
export async function readyPod(cluster: LabCluster, namespace: string, app: string): Promise<string> {
  const { items } = await cluster.api.list<Pod>(`/api/v1/namespaces/${namespace}/pods?labelSelector=app%3D${app}`);
  const pod = items.find(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined &&
      status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
  );
  if (pod === undefined) throw new Error(`no ready pod with app=${app} in ${namespace} of ${cluster.name}`);
  return pod.metadata.name;
}
