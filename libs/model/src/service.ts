/** Address of an east-west gateway as a peer names it: IP or host name, and TCP port. */
export interface GatewayAddress {
  readonly address: string;
  readonly port: number;
}

/** One port of a service that crosses between clusters; `protocol` is Istio's word (HTTP, HTTP2, GRPC, TLS, TCP …). */
export interface PublicServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol?: string;
}

/** A service as the private federation document offers it. Legacy peers send no `subjectAltNames`. */
export interface PublicService {
  readonly hostname: string;
  readonly ports: readonly PublicServicePort[];
  readonly subjectAltNames?: readonly string[];
}

/** An expected finding: a value, never an exception. `reason` is CamelCase for a condition, `subject` what it is about. */
export interface Finding {
  readonly reason: string;
  readonly message: string;
  readonly subject?: string;
}

/** What a private document takes of one service (docs/protocol.md, "Limits"): readers leave out what is beyond it. */
export const serviceLimits = { portsPerService: 64, subjectAltNamesPerService: 64 } as const;
