import { serviceLimits } from '#model';

/** Bounds of everything that a peer may send (docs/protocol.md, "Limits"). */
export const limits = {
  publicDocumentBytes: 1024 * 1024,
  privateDocumentBytes: 16 * 1024 * 1024,
  /** Nesting of JSON, and commas and brackets in one document: what parsing may cost. */
  depth: 32,
  values: 2_000_000,
  services: 20_000,
  ...serviceLimits,
  gateways: 64,
  hostnameCharacters: 253,
  portNameCharacters: 63,
  subjectAltNameCharacters: 2048,
  clusterUUIDCharacters: 128,
  networkNameCharacters: 253,
  pemCharacters: 512 * 1024,
  /** Faults that are told; more are counted. */
  faults: 100,
} as const;
