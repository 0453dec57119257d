import { hasFields, isText } from './fields.js';
import { compareText } from './text-order.js';
import { names } from './names.js';
import { fitsSecret, textAsData, valueInData } from './registry-secret.js';
import type { SecretData } from './registry-secret.js';

/** One local reader that may use the way out to a peer; its credential is kept as the lower-case hex of its SHA-256 only. */
export interface WayOutReader {
  readonly reader: string;
  readonly sha256: string;
}

/** Where one peer's API server is reached, and by whom. */
export interface WayOutPeer {
  /** Name of the IstioMulticluster: path segment after `/peers/`. */
  readonly name: string;
  /** `host` or `host:port`, from the peer's document. */
  readonly apiHost: string;
  /** The peer's cluster UUID, which its tokens are made for. */
  readonly audience: string;
  /** PEM that its certificate is checked against; the system's roots when absent. */
  readonly ca?: string;
  readonly insecureSkipVerify: boolean;
  readonly readers: readonly WayOutReader[];
}

/** Content of Secret `isthmus-way-out`: the peers whose API servers may be asked at this moment. */
export interface WayOutRegistry {
  readonly version: 1;
  readonly peers: readonly WayOutPeer[];
  /** Addresses at which our own API server listens, which no peer may name. */
  readonly ownAddresses: readonly string[];
}

/** The reader whose credential stands in remote Secrets: our mesh core, or the cluster's own istiod. */
export const meshReader = 'mesh';

export const emptyWayOutRegistry: WayOutRegistry = { version: 1, peers: [], ownAddresses: [] };

/** Canonical JSON of a registry: peers and readers sorted, so equal content gives equal bytes. */
function formatWayOutRegistry({ peers, ownAddresses }: WayOutRegistry): string {
  const sorted = [...peers]
    .map((peer) => ({ ...peer, readers: [...peer.readers].sort((a, b) => compareText(a.reader, b.reader)) }))
    .sort((a, b) => compareText(a.name, b.name));
  return JSON.stringify({ version: 1, peers: sorted, ownAddresses: [...ownAddresses].sort(compareText) });
}

const keys = { plain: names.wayOutKey, compressed: names.wayOutCompressedKey };

/** `data` of Secret `isthmus-way-out`, base64 as the Kubernetes API takes it. */
export function wayOutSecretData(registry: WayOutRegistry): SecretData {
  return textAsData(formatWayOutRegistry(registry), keys);
}

/** True when Kubernetes takes a Secret with this registry. */
export function fitsWayOutSecret(registry: WayOutRegistry): boolean {
  return fitsSecret(wayOutSecretData(registry));
}

/** The registry in `data` of Secret `isthmus-way-out`; undefined when there is none. @throws Error that names the Secret when it is something else */
export function wayOutRegistryIn(data: SecretData | undefined): WayOutRegistry | undefined {
  const remedy = 'not a registry of version 1; delete it and the controller writes it anew';
  const value = valueInData(data, keys, isRegistry, `Secret isthmus-way-out, key peers.json: ${remedy}`);
  return value === undefined ? undefined : { ...value, ownAddresses: value.ownAddresses ?? [] };
}

/** One written before own addresses stood in it is as good. */
function isRegistry(value: unknown): value is Omit<WayOutRegistry, 'ownAddresses'> & Partial<WayOutRegistry> {
  const readers = (reader: unknown): boolean => hasFields(reader, ['reader', 'sha256']);
  const peers = (peer: unknown): boolean => hasFields(peer, ['name', 'apiHost', 'audience'], { readers });
  if (!hasFields(value, [], { peers }) || value['version'] !== 1) return false;
  return value['ownAddresses'] === undefined || hasFields(value, [], { ownAddresses: isText });
}
