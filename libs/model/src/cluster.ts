/** Who this cluster is; content of ConfigMap `isthmus-cluster`. */
export interface ClusterIdentity {
  readonly clusterUUID: string;
  readonly clusterID: string;
  readonly trustDomain: string;
  readonly clusterDomain: string;
  readonly networkName: string;
}

/** Adler-32 checksum (RFC 1950, section 8.2) of a text's UTF-8 bytes, unsigned. */
export function adler32(text: string): number {
  let a = 1;
  let b = 0;
  for (const byte of new TextEncoder().encode(text)) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return ((b << 16) | a) >>> 0;
}

/** Cluster id as the reference system makes it: domain with dashes, then the checksum of the cluster UUID. */
export function clusterIdFor(clusterDomain: string, clusterUUID: string): string {
  return `${clusterDomain.replaceAll('.', '-')}-${adler32(clusterUUID)}`;
}

/** Time source, in Unix milliseconds; pure code never asks the machine. */
export interface Clock {
  now(): number;
}
