/** What the parent tells the process of simulated peers first, in one line of JSON. */
export interface Settings {
  readonly peers: number;
  readonly services: number;
  /** Where each peer's gateway accepts (and drops) TCP connections; peers' gateways on loopback are refused by the product. */
  readonly gatewayAddress: string;
  /** The one cluster that the private documents are made for. */
  readonly reader: { readonly clusterUUID: string; readonly trustDomain: string; readonly publicPem: string };
}

/** One change of one peer: another port of a service that is there, or a service more. Each following line of JSON is one. */
export interface Change {
  readonly id: number;
  readonly peer: number;
  readonly kind: 'port' | 'service';
  /** Which service gets the port; a new service has a name of its own. */
  readonly service: number;
  readonly port: number;
}

export interface ReadyPeer {
  readonly name: string;
  readonly trustDomain: string;
  readonly endpoint: string;
  /** What vouches for its endpoint: here also its workloads' root. */
  readonly root: string;
}

/** What the process says, a line of JSON each; `at` is Unix ms with fractions, taken before the peer signed. */
export type Told =
  | { readonly event: 'ready'; readonly peers: readonly ReadyPeer[] }
  | { readonly event: 'changed'; readonly id: number; readonly host: string; readonly at: number };
