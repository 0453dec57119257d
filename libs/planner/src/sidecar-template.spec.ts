import { describe, expect, it } from '@jest/globals';
import type { PodTemplateSpec } from '#istio-api';
import { sidecarPodTemplate } from './sidecar-template.js';

const settings = {
  image: 'isthmus/proxyv2',
  trustDomain: 'a.example',
  clusterDomain: 'a.local',
  clusterID: 'a-local-1',
  network: 'network-1',
  workloadName: 'echo',
};
const template: PodTemplateSpec = {
  metadata: { labels: { app: 'echo' }, annotations: { mine: 'yes' } },
  spec: {
    serviceAccountName: 'echo',
    containers: [
      {
        name: 'app',
        image: 'echo',
        ports: [{ name: 'http', containerPort: 8080 }],
        readinessProbe: { exec: { command: ['true'] } },
      },
    ],
    initContainers: [{ name: 'first' }],
    volumes: [{ name: 'data', emptyDir: {} }],
  },
};
const injected = sidecarPodTemplate(template, settings);
const proxy = injected.spec.containers[1];
const environment = Object.fromEntries(
  (proxy?.env ?? []).map(({ name, value, valueFrom }) => [name, value ?? valueFrom?.fieldRef?.fieldPath]),
);

describe('sidecarPodTemplate', () => {
  it('keeps what was there', () => {
    expect(injected.spec.containers[0]).toEqual(template.spec.containers[0]);
    expect(injected.spec.initContainers?.[0]).toEqual({ name: 'first' });
    expect(injected.spec.volumes?.[0]).toEqual({ name: 'data', emptyDir: {} });
    expect(injected.metadata?.annotations?.['mine']).toBe('yes');
    expect(template.spec.containers).toHaveLength(1);
  });

  it('marks the pod as Istio does', () => {
    expect(injected.metadata?.labels).toEqual({
      app: 'echo',
      'security.istio.io/tlsMode': 'istio',
      'service.istio.io/canonical-name': 'echo',
      'service.istio.io/canonical-revision': 'latest',
    });
    expect(JSON.parse(injected.metadata?.annotations?.['sidecar.istio.io/status'] ?? '')).toMatchObject({
      containers: ['istio-proxy'],
    });
  });

  it('redirects traffic and DNS before anything of the user runs behind it', () => {
    const init = injected.spec.initContainers?.at(-1);
    expect(init?.args).toEqual([
      ...['istio-iptables', '-p', '15001', '-z', '15006', '-u', '1337', '-m', 'REDIRECT'],
      ...['-i', '*', '-x', '', '-b', '*', '-d', '15090,15021,15020'],
    ]);
    expect(init?.env).toEqual([{ name: 'ISTIO_META_DNS_CAPTURE', value: 'true' }]);
    expect(init?.securityContext).toMatchObject({ runAsUser: 0, capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } });
  });

  it('starts the agent with all that it wants to know', () => {
    expect(proxy?.args?.slice(0, 4)).toEqual(['proxy', 'sidecar', '--domain', '$(POD_NAMESPACE).svc.a.local']);
    expect(proxy?.securityContext).toMatchObject({ runAsUser: 1337, runAsGroup: 1337 });
    expect(proxy?.readinessProbe?.httpGet).toEqual({ path: '/healthz/ready', port: 15_021 });
    expect(environment).toMatchObject({
      CA_ADDR: 'istiod.istio-system.svc:15012',
      POD_NAME: 'metadata.name',
      INSTANCE_IP: 'status.podIP',
      SERVICE_ACCOUNT: 'spec.serviceAccountName',
      TRUST_DOMAIN: 'a.example',
      ISTIO_META_CLUSTER_ID: 'a-local-1',
      ISTIO_META_NETWORK: 'network-1',
      ISTIO_META_DNS_CAPTURE: 'true',
      ISTIO_META_WORKLOAD_NAME: 'echo',
      ISTIO_META_POD_PORTS: '[{"name":"http","containerPort":8080}]',
    });
    expect(JSON.parse(environment['PROXY_CONFIG'] ?? '')).toEqual({
      discoveryAddress: 'istiod.istio-system.svc:15012',
      drainDuration: '5s',
      proxyMetadata: { ISTIO_META_DNS_CAPTURE: 'true' },
      serviceCluster: 'echo',
    });
  });

  it('mounts only volumes that exist', () => {
    const volumes = new Set(injected.spec.volumes?.map(({ name }) => name));
    for (const mount of proxy?.volumeMounts ?? []) expect(volumes).toContain(mount.name);
    expect(injected.spec.securityContext).toEqual({ fsGroup: 1337 });
  });

  it('is done once, and leaves a foreign sidecar alone', () => {
    expect(sidecarPodTemplate(injected, settings)).toBe(injected);
  });

  it('names a workload without labels by its owner', () => {
    const bare = sidecarPodTemplate({ spec: { containers: [{ name: 'app' }] } }, settings);
    expect(bare.metadata?.labels?.['service.istio.io/canonical-name']).toBe('echo');
  });
});
