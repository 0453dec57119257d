import { Document, isMap } from 'yaml';
import { sortedBy, sortedUnique } from '#model';
import type { GatewayAddress } from '#model';
import { yamlMapOf, yamlTextOf } from './yaml-map.js';

/** One cluster whose pods stand on another network, and how it is entered. */
export interface RemoteNetwork {
  readonly network: string;
  readonly clusterID: string;
  /** Its own gateways, perhaps none at present; absent = no gateway is needed. */
  readonly gateways?: readonly GatewayAddress[];
}

/** The text of `meshNetworks` after a change (absent = there was and is none), and which of its networks are ours. */
export interface MeshNetworksText {
  readonly text: string | undefined;
  readonly ours: readonly string[];
  /** By cluster ID, sorted; clusters on networks that somebody else wrote are left to him. */
  readonly clusters: ClusterGateways;
}

/** Key `clusterGateways`: whose gateway is whose, which `meshNetworks` cannot say. */
export type ClusterGateways = Readonly<Record<string, Pick<RemoteNetwork, 'network' | 'gateways'>>>;

/**
 * Puts our networks into Istio's `meshNetworks` (YAML inside one ConfigMap key that has other owners too): networks of `oursBefore` that are
 * no longer wanted go, foreign ones and all comments stay. A foreign network of the same name is left to its owner.
 *
 * @throws Error naming the key when the text is no YAML map
 */
export function meshNetworksWith(
  current: string | undefined,
  oursBefore: readonly string[],
  wanted: readonly RemoteNetwork[],
): MeshNetworksText {
  if (wanted.length === 0 && oursBefore.length === 0) return { text: current, ours: [], clusters: {} };
  const document = readable(current);
  const present = document.get('networks');
  const foreign = new Set(
    isMap(present) ? present.items.map(({ key }) => String(key)).filter((name) => !oursBefore.includes(name)) : [],
  );
  const own = wanted.filter(({ network }) => !foreign.has(network));
  const byNetwork = [...Map.groupBy(own.filter(hasGateways), ({ network }) => network)];
  const ours = sortedUnique(byNetwork.map(([network]) => network));
  for (const gone of oursBefore) if (!ours.includes(gone)) document.deleteIn(['networks', gone]);
  for (const [network, members] of sortedBy(byNetwork, ([name]) => name))
    document.setIn(['networks', network], document.createNode(networkNode(members)));
  const untouched = ours.length === 0 && oursBefore.length === 0;
  const known = wanted.filter(({ network, gateways }) => gateways === undefined || !foreign.has(network));
  return { text: untouched ? current : yamlTextOf(document, current), ours, clusters: clusterGateways(known) };
}

type Entered = RemoteNetwork & Required<Pick<RemoteNetwork, 'gateways'>>;

function hasGateways(network: RemoteNetwork): network is Entered {
  return (network.gateways?.length ?? 0) > 0;
}

function clusterGateways(known: readonly RemoteNetwork[]): ClusterGateways {
  const sorted = sortedBy(known, ({ clusterID }) => clusterID);
  return Object.fromEntries(sorted.map(({ clusterID, ...entry }) => [clusterID, entry]));
}

function readable(current: string | undefined): Document {
  if (current === undefined || current.trim() === '') return new Document({ networks: {} });
  const document = yamlMapOf(current);
  if (document === undefined) throw unreadable();
  const networks: unknown = document.get('networks') ?? undefined;
  if (networks === undefined) document.set('networks', document.createNode({}));
  // A list or an alias is somebody's too, and not ours to put a map in place of.
  else if (!isMap(networks)) throw unreadable();
  return document;
}

function unreadable(): Error {
  return new Error(
    'ConfigMap istio, key meshNetworks: not a YAML map with a map "networks"; correct it, nothing is written until then',
  );
}

function networkNode(members: readonly Entered[]): object {
  const gateways = new Map(
    members.flatMap((member) => member.gateways.map((gateway) => [`${gateway.address} ${gateway.port}`, gateway])),
  );
  return {
    endpoints: sortedUnique(members.map(({ clusterID }) => clusterID)).map((fromRegistry) => ({ fromRegistry })),
    gateways: sortedBy([...gateways.values()], ({ address, port }) => `${address} ${port}`).map(
      ({ address, port }) => ({
        address,
        port,
      }),
    ),
  };
}
