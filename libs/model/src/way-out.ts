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
}

export const emptyWayOutRegistry: WayOutRegistry = { version: 1, peers: [] };

/** Canonical JSON of a registry: peers and readers sorted, so equal content gives equal bytes. */
export function formatWayOutRegistry({ peers }: WayOutRegistry): string {
  const sorted = [...peers]
    .map((peer) => ({ ...peer, readers: [...peer.readers].sort((a, b) => compare(a.reader, b.reader)) }))
    .sort((a, b) => compare(a.name, b.name));
  return JSON.stringify({ version: 1, peers: sorted });
}

/** Reads what `formatWayOutRegistry` wrote; throws an error that names the Secret when the text is something else. */
export function parseWayOutRegistry(text: string): WayOutRegistry {
  const value: unknown = JSON.parse(text);
  if (!isRegistry(value))
    throw new Error(
      'Secret isthmus-way-out, key peers.json: not a registry of version 1; delete it and the controller writes it anew',
    );
  return value;
}

function isRegistry(value: unknown): value is WayOutRegistry {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    value.version === 1 &&
    'peers' in value &&
    Array.isArray(value.peers)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
