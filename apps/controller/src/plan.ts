import { stringify } from 'yaml';
import { applyAndPrune } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import type { Clock } from '#model';
import { names, peerKey } from '#model';
import type { Logger } from '#platform';
import type { ControllerConfig } from './config.js';
import { caFacts } from './identity/ca-facts.js';
import { parseKeyRing } from './identity/key-ring.js';
import type { KeyRing } from './identity/key-ring.js';
import { Memories } from './memories.js';
import { PlanContact } from './plan-contact.js';
import { planReport } from './plan-report.js';
import { AddressBook, addressRule } from './publication/address-book.js';
import { CredentialBook } from './publication/credential-book.js';
import { decidePublication } from './publication/decide.js';
import { gatherPublication } from './publication/gather.js';
import { GatewayBook } from './publication/own-gateways.js';
import { registryInForce } from './publication/held.js';
import { apiServerAddresses } from './world.js';
import type { World } from './world.js';

export interface PlanPorts {
  readonly client: KubeClient;
  readonly world: World;
  readonly config: ControllerConfig;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Prints, as YAML, whom a pass would trust and why, what each peer's document would say, and which objects would be written and pruned now, from
 * what is remembered of peers, what the leader's status says of their silence, and what peers that were never met say when they are asked now.
 * Writes nothing and shows no secrets.
 */
export async function printPlan(ports: PlanPorts): Promise<void> {
  const { client, world, config, clock } = ports;
  const ended = new AbortController();
  await world.start(ended.signal);
  const faults = new Map<string, string>();
  const memories = new Memories({
    client,
    secrets: world.secrets,
    namespace: config.mesh.releaseNamespace,
    onUnreadable: (peer, message) => void faults.set(peerKey(peer), message),
  });
  const addressBook = new AddressBook({
    rule: addressRule(client.server, () => apiServerAddresses(world)),
    clock,
    onNews: () => undefined,
  });
  const { signing, ring } = signingOf(world, config);
  const contact = new PlanContact({ world, config, memories, clock, signing, ring });
  const books = { addressBook, credentials: new CredentialBook(), gatewayBook: new GatewayBook() };
  // Of peers that were not asked nothing is heard: how silent they are is what the leader's status tells of them.
  const sources = { world, config, memories: contact, links: contact, ...books, clock };
  await contact.askPublic(ended.signal);
  // Trust comes first here too: a token is shown to nobody whom a pass would not trust.
  await contact.askPrivate(decidePublication(gatherPublication(sources, signing)).audiences, ended.signal);
  gatherPublication(sources, signing);
  await addressBook.settled();
  const input = gatherPublication(sources, signing);
  const verdict = decidePublication(input);
  const desired = [
    ...verdict.imports,
    ...verdict.policies,
    ...(verdict.gateway === undefined ? [] : [verdict.gateway]),
    ...(verdict.remote?.accounts ?? []),
  ] as readonly ApiObject[];
  const owned = [
    ...world.serviceEntries.list(),
    ...world.destinationRules.list(),
    ...world.authorizationPolicies.list(),
    ...world.gateways.list(),
    ...(world.peerAccounts?.list() ?? []),
    ...(world.peerBindings?.list() ?? []),
  ];
  const outcome = await applyAndPrune({ client, desired, owned, fieldManager: names.fieldManager, plan: true });
  const registry = registryInForce(world, config);
  const report = planReport({ input, verdict, registry, faults, met: contact.met(), desired, outcome });
  process.stdout.write(stringify(report, { aliasDuplicateObjects: false }));
  ended.abort();
  await client.close();
}

/** For passes public halves only: a plan signs no documents. `ring` is the whole: who was never met is asked by a token. */
function signingOf(
  world: World,
  config: ControllerConfig,
): { readonly signing: Parameters<typeof gatherPublication>[1]; readonly ring: KeyRing } {
  const stored = world.configMaps.get(config.mesh.releaseNamespace, names.clusterConfigMap)?.data ?? {};
  const text = world.secrets.get(config.mesh.releaseNamespace, names.signingKeysSecret)?.data?.['keys.json'];
  const ring =
    text === undefined ? { version: 1 as const, keys: [] } : parseKeyRing(Buffer.from(text, 'base64').toString('utf8'));
  const signing = {
    identity: {
      clusterUUID: stored['clusterUUID'] ?? '',
      clusterID: stored['clusterID'] ?? '',
      trustDomain: config.mesh.trustDomain,
      clusterDomain: config.mesh.clusterDomain,
      networkName: config.networkName,
    },
    ring: { ...ring, keys: ring.keys.filter(({ state }) => state !== 'current') },
    ...caFacts((name) => world.configMaps.get(config.mesh.releaseNamespace, name)),
  };
  return { signing, ring };
}
