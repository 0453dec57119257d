import type { Container, PodTemplateSpec } from '#istio-api';
import { sortedRecord } from '#model';
import { proxyContainer, proxyVolumes } from './sidecar-proxy.js';
import type { SidecarSettings } from './sidecar-proxy.js';

const initName = 'istio-init';
const proxyName = 'istio-proxy';

/**
 * A pod template with the sidecar in it: `istio-init` redirects the pod's traffic (iptables, DNS too), `istio-proxy` is Istio's
 * agent with Envoy. Names, labels, paths and volumes are Istio's own, so that its tools know the pod. A template that already
 * has a container `istio-proxy` is returned as it is. Probes of the application are left alone.
 */
export function sidecarPodTemplate(template: PodTemplateSpec, settings: SidecarSettings): PodTemplateSpec {
  const { metadata = {}, spec } = template;
  if (spec.containers.some(({ name }) => name === proxyName)) return template;
  const labels = metadata.labels ?? {};
  const volumes = proxyVolumes.filter(({ name }) => !(spec.volumes ?? []).some((volume) => volume.name === name));
  return {
    ...template,
    metadata: {
      ...metadata,
      labels: sortedRecord({
        'service.istio.io/canonical-name': canonicalName(labels, settings.workloadName),
        'service.istio.io/canonical-revision': labels['version'] ?? 'latest',
        ...labels,
        'security.istio.io/tlsMode': 'istio',
      }),
      annotations: sortedRecord({
        ...metadata.annotations,
        'sidecar.istio.io/status': JSON.stringify({
          initContainers: [initName],
          containers: [proxyName],
          volumes: proxyVolumes.map(({ name }) => name),
        }),
      }),
    },
    spec: {
      ...spec,
      initContainers: [...(spec.initContainers ?? []), initContainer(settings)],
      containers: [...spec.containers, proxyContainer(spec, settings)],
      volumes: [...(spec.volumes ?? []), ...volumes],
      // The agent runs as 1337 and must read its projected token.
      securityContext: { fsGroup: 1337, ...spec.securityContext },
    },
  };
}

function canonicalName(labels: Readonly<Record<string, string>>, workloadName: string | undefined): string {
  return labels['app.kubernetes.io/name'] ?? labels['app'] ?? workloadName ?? 'unknown';
}

/** Ports that must stay reachable past the proxy: Envoy's statistics, readiness, the agent's merged metrics. */
const directPorts = '15090,15021,15020';

function initContainer(settings: SidecarSettings): Container {
  const redirect = ['-p', '15001', '-z', '15006', '-u', '1337', '-m', 'REDIRECT'];
  return {
    name: initName,
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy ?? 'IfNotPresent',
    args: ['istio-iptables', ...redirect, '-i', '*', '-x', '', '-b', '*', '-d', directPorts],
    env: [{ name: 'ISTIO_META_DNS_CAPTURE', value: 'true' }],
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'], drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: false,
      runAsGroup: 0,
      runAsNonRoot: false,
      runAsUser: 0,
    },
  };
}
