/** Names that Istio gives to resources, ports it reserves, and the one secret name that is ours. */
export const names = {
  passthroughCluster: 'PassthroughCluster',
  blackHoleCluster: 'BlackHoleCluster',
  inboundPassthroughCluster: 'InboundPassthroughCluster',
  virtualOutbound: 'virtualOutbound',
  virtualInbound: 'virtualInbound',
  workloadCertificate: 'default',
  /** Static cluster of the agent's bootstrap that serves the workload certificate. */
  certificateCluster: 'sds-grpc',
  /** Validation secret served on the aggregated stream: the agent serves only `default` and `ROOTCA` itself. */
  trustSecret: 'isthmus:trust',
} as const;

export const ports = { outbound: 15001, inbound: 15006, gateway: 15443 } as const;

/** `outbound|<port>||<host>`. */
export function outboundCluster(port: number, hostname: string): string {
  return `outbound|${port}||${hostname}`;
}

/** `inbound|<target port>||`, also the name of that port's route configuration. */
export function inboundCluster(port: number): string {
  return `inbound|${port}||`;
}

/** `outbound_.<port>_._.<host>`: SNI towards a service and name of its cluster in the gateway. */
export function sniName(port: number, hostname: string): string {
  return `outbound_.${port}_._.${hostname}`;
}

/** Validation secret that holds only these trust domains besides our own. */
export function narrowedTrustSecret(trustDomains: readonly string[]): string {
  return `${names.trustSecret}/${trustDomains.join(',')}`;
}
