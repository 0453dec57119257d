import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { startClusters, waitFor } from '../lab/index.js';
import type { ApiObject, Lab, LabCluster } from '../lab/index.js';
import { readLogs } from '../lab/node-agent/read-logs.js';
import type { Pod } from '../lab/pod/pod-types.js';

// The node agent against a real API server, scheduler, controller manager, kube-proxy and CoreDNS.

const namespace = 'default';
/** Longest that a step of a pod's life may take. */
const stepMs = 60_000;

jest.setTimeout(3 * stepMs);

const server = "require('http').createServer((q,r)=>r.end(process.env.POD_NAME)).listen(8080)";

let lab: Lab;
let east: LabCluster;

beforeAll(async () => {
  lab = await startClusters({ clusters: 1 });
  east = lab.cluster('east');
  const file = join(lab.directory, 'images.json');
  const images = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>;
  images['test/shell'] = { command: ['/bin/sh'] };
  images['test/node'] = {
    command: ['/usr/local/bin/node'],
    mounts: [{ from: lab.plan.node, to: '/usr/local/bin/node' }],
  };
  writeFileSync(file, JSON.stringify(images));
}, 5 * stepMs);

afterAll(async () => {
  await lab.stop();
});

const core = (plural: string, name = ''): string => `/api/v1/namespaces/${namespace}/${plural}${name && `/${name}`}`;
const deploymentPath = (name: string): string => `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;

async function pods(label: string): Promise<readonly Pod[]> {
  const { items } = await east.api.list<Pod>(`${core('pods')}?labelSelector=${encodeURIComponent(label)}`);
  return items;
}

async function inPod(pod: string, script: string, container?: string): Promise<string> {
  const options = container === undefined ? {} : { container };
  const { code, stdout, stderr } = await lab.exec('east', namespace, pod, ['sh', '-c', script], options);
  if (code !== 0) throw new Error(`in ${pod}: ${script}: exit code ${code}: ${stderr}${stdout}`);
  return stdout.trim();
}

function isReady(pod: Pod): boolean {
  return (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');
}

async function readyPods(label: string, count: number): Promise<readonly Pod[]> {
  return waitFor(
    async () => {
      const all = await pods(label);
      return all.length === count && all.every(isReady) ? all : undefined;
    },
    { what: `${count} ready pods with ${label}`, timeoutMs: stepMs, hopeless: () => undefined },
  ).catch((error: Error) => {
    throw new Error(`${error.message}\n${readLogs(join(lab.directory, 'east/node'), { namespace })}`);
  });
}

async function podIs(name: string, wanted: (pod: Pod) => boolean): Promise<Pod> {
  return waitFor(
    async () => {
      const pod = await east.api.get<Pod>(core('pods', name));
      return pod !== undefined && wanted(pod) ? pod : undefined;
    },
    { what: `pod ${name}`, timeoutMs: stepMs, everyMs: 20 },
  );
}

async function podIsGone(name: string): Promise<void> {
  const gone = async (): Promise<true | undefined> =>
    (await east.api.get(core('pods', name))) === undefined ? true : undefined;
  await waitFor(gone, { what: `end of pod ${name}`, timeoutMs: stepMs, everyMs: 20 });
}

function createPod(name: string, spec: object): Promise<ApiObject> {
  return east.api.create(core('pods'), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec,
  });
}

const podName = { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } };

const webTemplate = {
  metadata: { labels: { app: 'web' }, annotations: { note: 'a "quoted" one' } },
  spec: {
    terminationGracePeriodSeconds: 5,
    securityContext: { fsGroup: 1337 },
    initContainers: [
      {
        name: 'prepare',
        image: 'test/shell:1',
        args: ['-c', 'id -u >/data/by && iptables -t nat -A OUTPUT -p tcp --dport 9999 -j REDIRECT --to-ports 8080'],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
        securityContext: { runAsUser: 0, capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] } },
      },
    ],
    containers: [
      {
        name: 'app',
        image: 'test/node:1',
        args: ['-e', server],
        ports: [{ name: 'http', containerPort: 8080 }],
        readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 5 },
        securityContext: {
          runAsUser: 1337,
          runAsGroup: 1337,
          runAsNonRoot: true,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        },
        resources: { limits: { memory: '64Mi' } },
        env: [
          podName,
          { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
          { name: 'WORD', valueFrom: { secretKeyRef: { name: 'pass', key: 'word' } } },
          { name: 'BOTH', value: '$(COLOR)-$(WORD)-$$(X)-$(NONE)' },
          { name: 'MEGABYTES', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
        ],
        envFrom: [{ prefix: 'all_', configMapRef: { name: 'settings' } }],
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'settings', mountPath: '/etc/settings' },
          { name: 'settings', mountPath: '/etc/one/color.txt', subPath: 'color' },
          { name: 'pass', mountPath: '/etc/pass', readOnly: true },
          { name: 'info', mountPath: '/etc/podinfo' },
          { name: 'tokens', mountPath: '/var/run/secrets/tokens' },
        ],
      },
    ],
    volumes: [
      { name: 'data', emptyDir: { medium: 'Memory' } },
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'pass', secret: { secretName: 'pass', defaultMode: 0o400 } },
      { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      {
        name: 'tokens',
        projected: {
          sources: [{ serviceAccountToken: { audience: 'istio-ca', expirationSeconds: 43_200, path: 'istio-token' } }],
        },
      },
    ],
  },
};

describe('node agent', () => {
  it('runs a Deployment with an init container, a user of its own, every kind of volume and a readiness probe', async () => {
    await east.api.create(core('configmaps'), { metadata: { name: 'settings' }, data: { color: 'blue' } });
    await east.api.create(core('secrets'), { metadata: { name: 'pass' }, stringData: { word: 'sesame' } });
    await east.api.create(core('services'), {
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
    });
    await east.api.create(`/apis/apps/v1/namespaces/${namespace}/deployments`, {
      metadata: { name: 'web' },
      spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: webTemplate },
    });
    const [first] = await readyPods('app=web', 2);
    const name = first?.metadata.name ?? '';
    expect(await inPod(name, 'echo $(id -u):$(id -g):$(cat /data/by)')).toBe('1337:1337:0');
    expect(await inPod(name, 'echo $BOTH $MEGABYTES $all_color $KUBERNETES_SERVICE_HOST')).toBe(
      'blue-sesame-$(X)-$(NONE) 64 blue 10.96.0.1',
    );
    expect(await inPod(name, 'cat /etc/settings/color /etc/one/color.txt /etc/pass/word')).toBe('bluebluesesame');
    expect(await inPod(name, 'stat -L -c %a:%g /etc/pass/word')).toBe('440:1337');
    expect(await inPod(name, 'grep web /etc/podinfo/labels')).toBe('app="web"');
    const mountedAt = '/var/run/secrets/kubernetes.io/serviceaccount';
    expect(await inPod(name, `ls ${mountedAt} | tr '\\n' ' '; cat ${mountedAt}/namespace`)).toBe(
      'ca.crt namespace token default',
    );
    expect(
      await inPod(name, 'cut -d. -f2 /var/run/secrets/tokens/istio-token | base64 -d 2>/dev/null || true'),
    ).toContain('"aud":["istio-ca"]');
    expect(await inPod(name, 'touch /x 2>/dev/null || echo refused')).toBe('refused');
    expect(await inPod(name, 'grep CapBnd /proc/self/status')).toContain('0000000000000000');
    expect(await inPod(name, 'curl -s -m 20 http://127.0.0.1:9999/')).toBe(name);
    // Until kube-proxy has written the rules of a new Service, its address leads nowhere.
    const byName = async (): Promise<true | undefined> =>
      (await inPod(name, 'curl -s -m 1 http://web/')) === '' ? undefined : true;
    await waitFor(byName, { what: 'answer from http://web/', timeoutMs: stepMs });
    expect(first?.status).toMatchObject({ phase: 'Running', hostIP: east.plan.nodeAddress });
  });

  it('answers with the service account token as a real client would send it', async () => {
    const call =
      'd=/var/run/secrets/kubernetes.io/serviceaccount; curl -s -m 20 --cacert $d/ca.crt -H "Authorization: Bearer $(cat $d/token)" ' +
      'https://kubernetes.default.svc.east.example/apis';
    expect(await inPod('web', call)).toContain('APIGroupList');
  });

  it('carries changes of ConfigMaps and Secrets into running pods', async () => {
    await east.api.patch(core('configmaps', 'settings'), { data: { color: 'green' } });
    await east.api.patch(core('secrets', 'pass'), { stringData: { word: 'open' } });
    const both = async (): Promise<true | undefined> =>
      (await inPod('web', 'cat /etc/settings/color /etc/pass/word')) === 'greenopen' ? true : undefined;
    await waitFor(both, { what: 'new content', timeoutMs: 20_000 });
    expect(await inPod('web', 'cat /etc/one/color.txt')).toBe('blue');
  });

  it('is killed and started again without a pod noticing', async () => {
    const before = await pods('app=web');
    const started = await inPod('web', 'cut -d" " -f22 /proc/$(pgrep -x node)/stat');
    const [agent] = lab.pids('east')['node-agent'] ?? [];
    lab.kill('east', 'node-agent');
    await waitFor(
      async () => (lab.pids('east')['node-agent']?.some((pid) => pid !== agent) === true ? true : undefined),
      {
        what: 'a new node agent',
        timeoutMs: stepMs,
      },
    );
    await createPod('after', {
      containers: [{ name: 'app', image: 'test/node', args: ['-e', server], env: [podName] }],
    });
    await podIs('after', isReady);
    const after = await pods('app=web');
    const facts = (pod: Pod): unknown => [
      pod.metadata.uid,
      pod.status?.podIP,
      pod.status?.containerStatuses?.[0]?.containerID,
      pod.status?.containerStatuses?.[0]?.restartCount,
      pod.status?.conditions?.find(({ type }) => type === 'Ready')?.lastTransitionTime,
    ];
    expect(after.map(facts)).toEqual(before.map(facts));
    expect(await inPod('web', 'cut -d" " -f22 /proc/$(pgrep -x node)/stat')).toBe(started);
  });

  it('notices what ended, and ends what was deleted, while it was away', async () => {
    const untilTold = 'until test -e /tmp/go; do sleep 0.1; done; exit 3';
    await createPod('ends', { restartPolicy: 'Never', containers: [shell('app', untilTold)] });
    await podIs('ends', ({ status }) => status?.phase === 'Running');
    const [agent = 0] = lab.pids('east')['node-agent'] ?? [];
    process.kill(agent, 'SIGSTOP');
    await east.api.delete(`${core('pods', 'after')}?gracePeriodSeconds=0`);
    await inPod('ends', 'touch /tmp/go');
    await noProcessesOf('ends');
    process.kill(agent, 'SIGKILL');
    const ended = await podIs('ends', ({ status }) => status?.phase === 'Failed');
    expect(ended.status?.containerStatuses?.[0]?.state.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    await noProcessesOf('after');
    await east.api.delete(core('pods', 'ends'));
    await podIsGone('ends');
  });

  it('replaces pods in a rolling restart and deletes them within their grace', async () => {
    const old = (await pods('app=web')).map(({ metadata }) => metadata.uid);
    const change = { spec: { template: { metadata: { annotations: { restarted: 'now' } } } } };
    await east.api.patch(deploymentPath('web'), change);
    await waitFor(
      async () => {
        const now = await pods('app=web');
        return now.length === 2 && now.every((pod) => isReady(pod) && !old.includes(pod.metadata.uid))
          ? true
          : undefined;
      },
      { what: 'two new pods', timeoutMs: 1.5 * stepMs },
    );
    await east.api.delete(deploymentPath('web'));
    await waitFor(async () => ((await pods('app=web')).length === 0 ? true : undefined), {
      what: 'end',
      timeoutMs: stepMs,
    });
    await noProcessesOf('web');
  });

  it('restarts what crashes, at once and then ever later, and tells so', async () => {
    await createPod('crashes', { containers: [shell('app', 'exit 4')] });
    const pod = await podIs('crashes', ({ status }) => (status?.containerStatuses?.[0]?.restartCount ?? 0) >= 2);
    const status = pod.status?.containerStatuses?.[0];
    expect(status?.lastState.terminated?.exitCode).toBe(4);
    await podIs(
      'crashes',
      ({ status: now }) => now?.containerStatuses?.[0]?.state.waiting?.reason === 'CrashLoopBackOff',
    );
    await east.api.delete(core('pods', 'crashes'));
    await podIsGone('crashes');
  });

  it('kills what is left of a container with it, and starts it anew', async () => {
    await createPod('parent', { containers: [shell('app', 'sleep 4444 & exec sleep 5555')] });
    await podIs('parent', isReady);
    await inPod('parent', 'kill -9 $(pgrep -f "sleep 5555")').catch(() => undefined);
    await podIs('parent', (pod) => isReady(pod) && pod.status?.containerStatuses?.[0]?.restartCount === 1);
    const sleeping = async (): Promise<number> => Number(await inPod('parent', 'pgrep -xc sleep'));
    await waitFor(async () => (await sleeping()) >= 2 || undefined, { what: 'both processes', timeoutMs: stepMs });
    // One that was left over might have been taken for one that was still to come.
    await pause(1_000);
    expect(await sleeping()).toBe(2);
    await east.api.delete(`${core('pods', 'parent')}?gracePeriodSeconds=1`);
    await podIsGone('parent');
  });

  it('restarts a container whose liveness probe fails, and takes an unready one out of service', async () => {
    const exec = (file: string): object => ({
      exec: { command: ['test', '-e', file] },
      periodSeconds: 1,
      timeoutSeconds: 5,
    });
    await createPod('probed', {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          ...shell('app', 'touch /tmp/alive /tmp/ready; sleep 3600'),
          // It takes a busy machine a moment to come to the first file.
          livenessProbe: { ...exec('/tmp/alive'), initialDelaySeconds: 3, failureThreshold: 3 },
          readinessProbe: { ...exec('/tmp/ready'), failureThreshold: 1 },
        },
      ],
    });
    await podIs('probed', isReady);
    await inPod('probed', 'rm /tmp/ready');
    await podIs('probed', (pod) => !isReady(pod));
    const restarts = (pod: Pod): number => pod.status?.containerStatuses?.[0]?.restartCount ?? 0;
    const before = restarts(await podIs('probed', () => true));
    await inPod('probed', 'rm /tmp/alive');
    await podIs('probed', (pod) => isReady(pod) && restarts(pod) > before);
    await east.api.delete(core('pods', 'probed'));
    await podIsGone('probed');
  });

  it('starts sidecars before and ends them after the app, and completes a Job beside one', async () => {
    await east.api.create(`/apis/batch/v1/namespaces/${namespace}/jobs`, {
      metadata: { name: 'work' },
      spec: {
        template: {
          spec: {
            restartPolicy: 'Never',
            initContainers: [
              { ...shell('sidecar', 'touch /shared/up; exec sleep 3600'), restartPolicy: 'Always', ...shared },
            ],
            containers: [{ ...shell('app', 'test -e /shared/up'), ...shared }],
            volumes: [{ name: 'shared', emptyDir: {} }],
          },
        },
      },
    });
    await waitFor(
      async () => {
        const job = await east.api.get<{ status?: { succeeded?: number } }>(
          `/apis/batch/v1/namespaces/${namespace}/jobs/work`,
        );
        return job?.status?.succeeded === 1 ? true : undefined;
      },
      { what: 'job', timeoutMs: stepMs },
    );
    expect((await pods('job-name=work'))[0]?.status?.phase).toBe('Succeeded');
  });

  it('runs hooks, answers TCP and node-network probes, and gives the app its time to end', async () => {
    const slow = 'trap "sleep 0.5; echo ended >>/shared/log; exit 0" TERM; while :; do sleep 0.1; done';
    const hook = (word: string): object => ({ exec: { command: ['sh', '-c', `echo ${word} >>/shared/log`] } });
    const hostPath = join(lab.directory, 'hooks');
    const patient = { periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 10 };
    await createPod('hooked', {
      hostNetwork: true,
      containers: [
        { ...shell('app', slow), ...shared, lifecycle: { postStart: hook('started'), preStop: hook('stopping') } },
        {
          name: 'server',
          image: 'test/node',
          args: ['-e', server.replace('8080', '18080')],
          startupProbe: { tcpSocket: { port: 18_080 }, ...patient },
          livenessProbe: { httpGet: { path: '/', port: 18_080 }, ...patient },
          env: [podName],
        },
      ],
      volumes: [{ name: 'shared', hostPath: { path: hostPath, type: 'DirectoryOrCreate' } }],
    });
    const pod = await podIs('hooked', isReady);
    expect(pod.status?.podIP).toBe(east.plan.nodeAddress);
    expect(readFileSync(join(hostPath, 'log'), 'utf8')).toBe('started\n');
    await east.api.delete(`${core('pods', 'hooked')}?gracePeriodSeconds=20`);
    await podIsGone('hooked');
    expect(readFileSync(join(hostPath, 'log'), 'utf8')).toBe('started\nstopping\nended\n');
  });

  it('waits for a missing ConfigMap and an unknown image, saying so, and goes on when they come', async () => {
    const volumes = [{ name: 'late', configMap: { name: 'late' } }];
    const volumeMounts = [{ name: 'late', mountPath: '/late' }];
    await createPod('waits', { containers: [{ ...shell('app', 'sleep 3600'), volumeMounts }], volumes });
    await createPod('unknown', { containers: [{ name: 'app', image: 'nowhere/none' }] });
    await podIs(
      'waits',
      ({ status }) =>
        status?.containerStatuses?.[0]?.state.waiting?.message?.includes('ConfigMap late is not there') === true,
    );
    await podIs('unknown', ({ status }) => status?.containerStatuses?.[0]?.state.waiting?.reason === 'ErrImagePull');
    await east.api.create(core('configmaps'), { metadata: { name: 'late' }, data: { a: '1' } });
    await podIs('waits', isReady);
    for (const name of ['waits', 'unknown']) await east.api.delete(`${core('pods', name)}?gracePeriodSeconds=1`);
    await Promise.all(['waits', 'unknown'].map(podIsGone));
  });

  it('has a pod running soon after it is bound, and in service soon after it answers', async () => {
    const spec = { selector: { app: 'quick' }, ports: [{ port: 80, targetPort: 8080 }] };
    await east.api.create(core('services'), { metadata: { name: 'quick' }, spec });
    const running: number[] = [];
    const serving: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const begun = performance.now();
      await createPod('quick', {
        nodeName: east.plan.nodeName,
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'app',
            image: 'test/node',
            args: ['-e', server],
            env: [podName],
            readinessProbe: { tcpSocket: { port: 8080 } },
          },
        ],
      });
      await podIs('quick', ({ status }) => status?.phase === 'Running');
      running.push(performance.now() - begun);
      await waitFor(servesQuick, { what: 'endpoint', timeoutMs: stepMs, everyMs: 20 });
      serving.push(performance.now() - begun);
      await east.api.delete(core('pods', 'quick'));
      await podIsGone('quick');
    }
    console.info(
      `created to running: ${running.map(Math.round).join(', ')} ms; to its endpoint: ${serving.map(Math.round).join(', ')} ms`,
    );
    // Both include the calls that create it and the looking every 20 ms; the machine may be busy with other things. A probe's period is ten seconds.
    expect(Math.min(...running)).toBeLessThan(3_000);
    expect(Math.min(...serving)).toBeLessThan(5_000);
  });
});

async function servesQuick(): Promise<true | undefined> {
  interface Slice {
    readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[] | null;
  }
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3Dquick`;
  const { items } = await east.api.list<Slice>(path);
  return items.some(({ endpoints }) => endpoints?.some(({ conditions }) => conditions?.ready === true))
    ? true
    : undefined;
}

const shared = { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] };

function shell(name: string, script: string): object {
  return { name, image: 'test/shell', args: ['-c', script] };
}

/** Waits until no process of the lab runs a container of pods whose name begins so. */
async function noProcessesOf(pod: string): Promise<void> {
  const none = async (): Promise<true | undefined> => {
    const { stdout } = await lab.runIn('east', ['pgrep', '-f', '-c', `/node/pods/${namespace}_${pod}`]);
    return stdout.trim() === '0' || undefined;
  };
  await waitFor(none, { what: `end of all processes of ${pod}`, timeoutMs: stepMs });
}

describe('logs', () => {
  it('are served through the API server, as kubectl logs asks for them', async () => {
    const script = 'for i in 1 2 3; do echo line $i; done; sleep 1; echo later; sleep 3600';
    const spec = { containers: [{ name: 'main', image: 'test/shell', args: ['-c', script] }] };
    await east.api.apply(core('pods', 'talker'), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'talker', namespace },
      spec,
    });
    await podIs('talker', (pod) => pod.status?.phase === 'Running');
    const log = (query: string): Promise<string> => east.api.text(`${core('pods', 'talker')}/log?${query}`);
    const all = await waitFor(
      async () => {
        const text = await log('container=main');
        return text.includes('later') ? text : undefined;
      },
      { what: 'the log', timeoutMs: stepMs, everyMs: 100 },
    );
    expect(all).toBe('line 1\nline 2\nline 3\nlater\n');
    expect(await log('container=main&tailLines=2')).toBe('line 3\nlater\n');
    await east.api.delete(core('pods', 'talker'));
  });
});
