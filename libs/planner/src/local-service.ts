import { compareText } from '#model';
import type { IntOrString, Service } from '#istio-api';

export interface LocalServicePort {
  readonly name?: string;
  readonly port: number;
  /** Number or name of the container's port; Kubernetes' default is `port`. */
  readonly targetPort: IntOrString;
  readonly protocol: string;
  readonly appProtocol?: string;
}

/** A Service of this cluster as far as sharing it goes. */
export interface LocalService {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ports: readonly LocalServicePort[];
  /** ExternalName: a name of DNS, nothing else of it counts. */
  readonly external?: true;
  /** Absent or empty: no workload is selected. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Empty for ExternalName, `None` for headless Services. */
  readonly clusterIP: string;
  /** RFC 3339; empty when unknown. */
  readonly createdAt: string;
}

export function localServiceFrom(service: Service): LocalService {
  const { metadata = {}, spec = {} } = service;
  const { selector } = spec;
  return {
    namespace: metadata.namespace ?? 'default',
    name: metadata.name ?? '',
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    ports: (spec.ports ?? []).map(({ name, port, targetPort, protocol, appProtocol }) => ({
      ...(name === undefined ? {} : { name }),
      port,
      targetPort: targetPort ?? port,
      protocol: protocol ?? 'TCP',
      ...(appProtocol === undefined ? {} : { appProtocol }),
    })),
    ...(selector === undefined || Object.keys(selector).length === 0 ? {} : { selector }),
    ...(spec.type === 'ExternalName' ? { external: true } : {}),
    clusterIP: spec.clusterIP ?? '',
    createdAt: metadata.creationTimestamp ?? '',
  };
}

/** The name by which a Service is called, here and from other clusters. */
export function hostnameOf(service: Pick<LocalService, 'name' | 'namespace'>, clusterDomain: string): string {
  return `${service.name}.${service.namespace}.svc.${clusterDomain}`;
}

export function compareServices(a: LocalService, b: LocalService): number {
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}
