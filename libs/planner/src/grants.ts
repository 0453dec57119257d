import type { IstioFederation } from '#crd';
import type { IntOrString } from '#istio-api';
import { compareText, sortedBy, sortedUnique } from '#model';
import type { TrustRegistry } from '#model';
import { exportedServicesFor } from './exports.js';
import type { ExportedService, ExportsInput } from './exports.js';

/** Port of the workloads behind one exported Service. */
export interface GrantedPort {
  /** Port of the Service, as callers and the gateway's SNI name it. */
  readonly port: number;
  /** Port of the container, as the workload's sidecar sees it; a name is looked up on each pod. */
  readonly targetPort: IntOrString;
}

/** Workloads that identities of one trust domain may reach, and where. */
export interface GrantedWorkload {
  readonly namespace: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly hostname: string;
  readonly ports: readonly GrantedPort[];
}

/**
 * What identities of one foreign trust domain may reach. A trust domain that has a Grant reaches nothing else, whatever users'
 * policies say; one without (our own, multicluster peers) is left to them.
 */
export interface Grant {
  readonly trustDomain: string;
  /** Names of the IstioFederations that speak for it. */
  readonly peers: readonly string[];
  readonly allowed: readonly GrantedWorkload[];
}

export interface GrantsInput extends Pick<ExportsInput, 'label' | 'clusterDomain' | 'services' | 'subjectAltNames'> {
  readonly federations: readonly IstioFederation[];
  /** Trusted peers: a federation whose resource is gone or that is not trusted gets an empty grant, never none. */
  readonly registry: TrustRegistry;
  readonly ownTrustDomain: string;
}

/**
 * Who may reach what across the federation (trust rule 9), from the same judgement that makes the peers' documents, so
 * `mesh` enforces at once what the controller announces. Sorted by trust domain.
 */
export function grantsFor(input: GrantsInput): readonly Grant[] {
  const trusted = input.registry.peers.filter(({ kind }) => kind === 'IstioFederation');
  const byDomain = Map.groupBy(input.federations, ({ spec }) => spec.trustDomain);
  const domains = sortedUnique([...byDomain.keys(), ...trusted.map(({ trustDomain }) => trustDomain)]);
  return domains
    .filter((domain) => domain !== input.ownTrustDomain)
    .map((trustDomain) => {
      const federations = sortedBy(byDomain.get(trustDomain) ?? [], ({ metadata }) => metadata.name);
      const speaking = federations.filter((federation) => isTrusted(input.registry, federation));
      return {
        trustDomain,
        peers: federations.map(({ metadata }) => metadata.name),
        allowed: allowedTo(input, speaking),
      };
    });
}

/** A resource under deletion grants nothing any more. */
function isTrusted({ peers }: TrustRegistry, { metadata, spec }: IstioFederation): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    peers.some(
      ({ kind, name, trustDomain }) =>
        kind === 'IstioFederation' && name === metadata.name && trustDomain === spec.trustDomain,
    )
  );
}

function allowedTo(input: GrantsInput, federations: readonly IstioFederation[]): readonly GrantedWorkload[] {
  const workloads = federations.flatMap(({ spec }) => {
    const { label, clusterDomain, services, subjectAltNames } = input;
    const shared = { label, clusterDomain, services, exports: spec.exports, subjectAltNames };
    return exportedServicesFor(shared).flatMap(grantedWorkload);
  });
  const byHost = new Map(workloads.map((workload) => [workload.hostname, workload]));
  return [...byHost.values()].sort((a, b) => compareText(a.hostname, b.hostname));
}

/** A Service without a selector has no workloads of its own to open. */
function grantedWorkload({ hostname, ports, source }: ExportedService): readonly GrantedWorkload[] {
  if (source.selector === undefined) return [];
  const granted = ports.map(({ port }) => ({
    port,
    targetPort: source.ports.find((own) => own.port === port && own.protocol === 'TCP')?.targetPort ?? port,
  }));
  return [{ namespace: source.namespace, selector: source.selector, hostname, ports: granted }];
}
