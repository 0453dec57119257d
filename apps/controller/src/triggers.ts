import { names, peerKey } from '#model';
import type { Logger } from '#platform';
import { rememberedPeer } from './memories.js';
import type { Memories } from './memories.js';
import {
  isConfigMapWorthAPass,
  isNodeWorthAPass,
  isResourceWorthAPass,
  isSecretWorthAPass,
} from './publication/worth-a-pass.js';
import type { World } from './world.js';

/** Keys of the loops that are not about one peer. */
export const publicationKey = 'publication';
export const identityKey = 'identity';
export const importsKey = 'imports';
/** What the identity of this cluster is made of. */
const identityConfigMaps: ReadonlySet<string> = new Set([
  names.clusterConfigMap,
  names.rootCertConfigMap,
  names.caReportConfigMap,
  names.caCrlConfigMap,
]);
const named = (key: string): string => key.split('/')[1] ?? '';
/** What changes mostly by our own hand is seen again here: one look a little later serves all of it, and undoes what others did. */
const ownWorkMs = 1000;

interface Queue {
  add(key: string): void;
  addAfter(key: string, ms: number): void;
}

/** Which change in the cluster concerns which loop. Returns what ends the watching. */
export function watchWorld(world: World, queue: Queue): readonly (() => void)[] {
  return [
    world.federations.onChange((name) => queue.add(`federation/${name}`)),
    world.federations.onChange((_name, current, previous) => {
      if (isResourceWorthAPass(current, previous)) queue.add(publicationKey);
    }),
    world.secrets.onChange((_key, current, previous) => {
      if (isSecretWorthAPass(current, previous)) queue.add(publicationKey);
    }),
    world.secrets.onChange((key) => {
      if (named(key) === names.signingKeysSecret) queue.add(identityKey);
    }),
    ...watchMulticluster(world, queue),
    ...[world.services, world.pods, world.peerAuthentications].map((informer) =>
      (informer as World['services']).onChange(() => queue.add(publicationKey)),
    ),
    ...watchNodes(world, queue),
    ...[world.gateways, world.authorizationPolicies, world.documents].map((informer) =>
      (informer as World['gateways']).onChange(() => queue.addAfter(publicationKey, ownWorkMs)),
    ),
    world.serviceEntries.onChange(() => queue.addAfter(importsKey, ownWorkMs)),
    world.destinationRules.onChange(() => queue.addAfter(importsKey, ownWorkMs)),
    world.configMaps.onChange((key) => {
      if (identityConfigMaps.has(named(key))) queue.add(identityKey);
    }),
    world.configMaps.onChange((_key, current, previous) => {
      if (isConfigMapWorthAPass(current, previous)) queue.add(publicationKey);
    }),
  ];
}

/** What is known of a peer goes on being known when somebody deletes its Secrets: the peer's loop writes them again. */
export function watchMemories(
  { secrets }: Pick<World, 'secrets'>,
  memories: Pick<Memories, 'lost'>,
  queue: Pick<Queue, 'add'>,
  logger: Logger,
): () => void {
  return secrets.onChange((_key, current, previous) => {
    const peer = current === undefined ? rememberedPeer(previous) : undefined;
    if (peer === undefined || !memories.lost(peer)) return;
    logger.warn(
      { peer: peerKey(peer), secret: previous?.metadata?.name },
      'a Secret that holds what is remembered of a peer is gone: it is written again',
    );
    queue.add(peerKey(peer));
  });
}

/** Where nodes are read at all, their addresses are told to peers. */
function watchNodes({ nodes }: Pick<World, 'nodes'>, queue: Pick<Queue, 'add'>): readonly (() => void)[] {
  const stop = nodes?.onChange((_name, current, previous) => {
    if (isNodeWorthAPass(current, previous)) queue.add(publicationKey);
  });
  return stop === undefined ? [] : [stop];
}

function watchMulticluster(
  { multiclusters, remoteClusters, meshConfig, peerAccounts, peerBindings }: World,
  queue: Queue,
): readonly (() => void)[] {
  const publish = (): void => queue.add(publicationKey);
  const all = (): void => {
    for (const { metadata } of multiclusters?.list() ?? []) queue.add(`multicluster/${metadata?.name ?? ''}`);
  };
  return [
    multiclusters?.onChange((name) => queue.add(`multicluster/${name}`)),
    multiclusters?.onChange((_name, current, previous) => {
      if (isResourceWorthAPass(current, previous)) publish();
    }),
    remoteClusters?.onChange(all),
    meshConfig?.onChange(publish),
    peerAccounts?.onChange(publish),
    peerBindings?.onChange(publish),
  ].filter((stop) => stop !== undefined);
}
