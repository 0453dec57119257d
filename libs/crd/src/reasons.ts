/** Why a reconcile stopped or a condition is not good: what an operator does about each stands in docs/spec. */
export const REASONS = {
  /** No TCP or TLS answer, or an HTTP error, from the metadata endpoint. */
  Unreachable: 'Unreachable',
  TLSVerifyFailed: 'TLSVerifyFailed',
  PinMismatch: 'PinMismatch',
  TokenRejected: 'TokenRejected',
  /** The peer's API server takes our token and forbids what the mesh must read. */
  Forbidden: 'Forbidden',
  ClockSkew: 'ClockSkew',
  RootChangedPendingApproval: 'RootChangedPendingApproval',
  KeyChangedPendingApproval: 'KeyChangedPendingApproval',
  StaleKeepingLastKnownGood: 'StaleKeepingLastKnownGood',
  Revoked: 'Revoked',
  VersionSkew: 'VersionSkew',
  PortConflict: 'PortConflict',
  DomainConflict: 'DomainConflict',
  TrustDomainConflict: 'TrustDomainConflict',
  SharedRoot: 'SharedRoot',
  TrustShared: 'TrustShared',
  UUIDConflict: 'UUIDConflict',
  RemovalHeld: 'RemovalHeld',
  NoMeshEndpoints: 'NoMeshEndpoints',
  /** The document breaks the wire format or a limit. */
  DocumentInvalid: 'DocumentInvalid',
  /** Unsigned after signed, wrong signature, rolled-back sequence or expired document. */
  SignatureInvalid: 'SignatureInvalid',
  /** A gateway or API address is loopback, link-local, our own API server's, or does not resolve. */
  AddressRefused: 'AddressRefused',
  NoGateways: 'NoGateways',
  /** More addresses of our own gateways than peers are told. */
  TooManyGateways: 'TooManyGateways',
  /** A labelled Service has a port without a name. */
  PortUnnamed: 'PortUnnamed',
  /** Two exported Services select the same workloads on one target port: their grants can't be told apart. */
  SharedTargetPort: 'SharedTargetPort',
  /** The peer's pods are on our network, where sidecars of ours take plain text: whoever comes so shows no identity. */
  PlainTextReachable: 'PlainTextReachable',
  /** An offered hostname or one of its ports is not usable. */
  ServiceInvalid: 'ServiceInvalid',
  /** `stalePolicy` has taken endpoints away. */
  Drained: 'Drained',
  FailedClosed: 'FailedClosed',
  SpecInvalid: 'SpecInvalid',
  /** The chart has this kind's scheme switched off. */
  SchemeDisabled: 'SchemeDisabled',
  /** What was stored of the peer is damaged: everything of it is held as it is. */
  MemoryUnreadable: 'MemoryUnreadable',
  /** All peers' roots and revocation lists are one Secret, their `tlsCA` another; this peer's do not fit beside the others'. */
  TrustTooLarge: 'TrustTooLarge',
  /** Roots expired or not yet valid. */
  RootInvalid: 'RootInvalid',
  /** A stock istiod serves the proxies and pools all roots. */
  TrustUnscoped: 'TrustUnscoped',
  /** First contact without pins and without `metadata.ca`: nothing vouches for the peer but itself. */
  BlindFirstContact: 'BlindFirstContact',
  /** Our own write to the Kubernetes API failed; retried. */
  ReconcileFailed: 'ReconcileFailed',
  Progressing: 'Progressing',
  Succeeded: 'Succeeded',
  /** The resource is being deleted. */
  Terminating: 'Terminating',
} as const;

export type Reason = keyof typeof REASONS;
