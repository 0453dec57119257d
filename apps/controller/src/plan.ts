import { stringify } from 'yaml';
import { applyAndPrune } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import type { Clock } from '#model';
import { names } from '#model';
import type { Logger } from '#platform';
import type { ControllerConfig } from './config.js';
import { parseKeyRing } from './identity/key-ring.js';
import { Memories } from './memories.js';
import { PeerLinks } from './peer-link/links.js';
import { AddressBook, addressRule } from './publication/address-book.js';
import { CredentialBook } from './publication/credential-book.js';
import { decidePublication } from './publication/decide.js';
import { gatherPublication } from './publication/gather.js';
import { apiServerAddresses } from './world.js';
import type { World } from './world.js';

export interface PlanPorts {
  readonly client: KubeClient;
  readonly world: World;
  readonly config: ControllerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Prints, as YAML, which objects a pass would write and prune now, from what is remembered of peers; writes nothing, contacts nobody. */
export async function printPlan(ports: PlanPorts): Promise<void> {
  const { client, world, config, clock } = ports;
  const ended = new AbortController();
  await world.start(ended.signal);
  const memories = new Memories({
    client,
    secrets: world.secrets,
    namespace: config.mesh.releaseNamespace,
    onUnreadable: () => undefined,
  });
  const links = new PeerLinks(() => {
    throw new Error('a plan contacts nobody');
  });
  const addressBook = new AddressBook({
    rule: addressRule(client.server, () => apiServerAddresses(world)),
    clock,
    onNews: () => undefined,
  });
  const signing = signingOf(world, config);
  const sources = { world, config, memories, links, addressBook, credentials: new CredentialBook(), clock };
  gatherPublication(sources, signing);
  await addressBook.settled();
  const verdict = decidePublication(gatherPublication(sources, signing));
  const desired = [
    ...verdict.imports,
    ...verdict.policies,
    ...(verdict.gateway === undefined ? [] : [verdict.gateway]),
  ] as readonly ApiObject[];
  const owned = [
    ...world.serviceEntries.list(),
    ...world.destinationRules.list(),
    ...world.authorizationPolicies.list(),
    ...world.gateways.list(),
  ];
  const outcome = await applyAndPrune({ client, desired, owned, fieldManager: names.fieldManager, plan: true });
  process.stdout.write(
    stringify({ write: outcome.applied, prune: outcome.pruned, unchanged: outcome.unchanged.length, objects: desired }),
  );
  ended.abort();
  await client.close();
}

/** Public halves only: a plan signs nothing. */
function signingOf(world: World, config: ControllerConfig): Parameters<typeof gatherPublication>[1] {
  const stored = world.configMaps.get(config.mesh.releaseNamespace, names.clusterConfigMap)?.data ?? {};
  const text = world.secrets.get(config.mesh.releaseNamespace, names.signingKeysSecret)?.data?.['keys.json'];
  const ring =
    text === undefined ? { version: 1 as const, keys: [] } : parseKeyRing(Buffer.from(text, 'base64').toString('utf8'));
  return {
    identity: {
      clusterUUID: stored['clusterUUID'] ?? '',
      clusterID: stored['clusterID'] ?? '',
      trustDomain: config.mesh.trustDomain,
      clusterDomain: config.mesh.clusterDomain,
      networkName: config.networkName,
    },
    ring: { ...ring, keys: ring.keys.filter(({ state }) => state !== 'current') },
    roots: [],
  };
}
