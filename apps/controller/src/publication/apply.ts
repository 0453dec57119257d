import type { ConfigMap, KubernetesObject, Secret } from '#istio-api';
import { applyAndPrune, applyIfChanged } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { asError, labels, names } from '#model';
import type { World } from '../world.js';
import type { PublicationVerdict } from './decide.js';
import { signedSecrets } from './documents.js';
import { keepMeshConfig } from './mesh-config.js';
import type { RemoteClusters } from './remote-clusters.js';
import type { RemoteSecretWriter } from './remote-secret-writer.js';

export interface ApplyPublicationPorts {
  readonly client: KubeClient;
  readonly world: World;
  /** Where the multicluster scheme is on. */
  readonly remoteSecrets?: RemoteSecretWriter;
  readonly rootNamespace: string;
}

/**
 * Makes the cluster hold what a pass decided: trust first (mesh and door act on it), then documents and mesh objects side by side. Imports are
 * written beside it (`imports.ts`): there may be thousands. Everything is tried, whatever fails: one kind that the API server does not take must
 * not keep the others back. Gives the first of what could not be written; the rest was.
 */
export async function applyPublication(
  ports: ApplyPublicationPorts,
  verdict: PublicationVerdict,
  signal: AbortSignal,
): Promise<Error | undefined> {
  const { world } = ports;
  const [trust] = await Promise.allSettled([applyOwn(ports, verdict.trustSecret, signal)]);
  const others = await Promise.allSettled([
    applyDocuments(ports, verdict, signal),
    applySet(ports, verdict.policies, world.authorizationPolicies.list(), signal),
    applySet(ports, verdict.gateway === undefined ? [] : [verdict.gateway], world.gateways.list(), signal),
    verdict.toldGateways === undefined ? undefined : applyOwn(ports, verdict.toldGateways, signal),
    verdict.remote === undefined ? undefined : applyRemoteClusters(ports, verdict, verdict.remote, signal),
    applyMeshConfig(ports, verdict, signal),
  ]);
  return firstFailure([trust, ...others]);
}

function firstFailure(outcomes: readonly PromiseSettledResult<unknown>[]): Error | undefined {
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  return failed === undefined ? undefined : asError(failed.reason);
}

async function applyDocuments(
  ports: ApplyPublicationPorts,
  { documents, publicDocument }: PublicationVerdict,
  signal: AbortSignal,
): Promise<void> {
  const owned = ports.world.documents
    .list()
    .filter(({ metadata }) => metadata?.labels?.[labels.document] === 'private');
  const [open, closed] = await Promise.all([
    signedSecrets(publicDocument === undefined ? [] : [publicDocument]),
    signedSecrets(documents),
  ]);
  const written = await Promise.allSettled([
    applySet(ports, closed, owned, signal),
    ...open.map((secret) => applyOwn(ports, secret, signal)),
  ]);
  const failure = firstFailure(written);
  if (failure !== undefined) throw failure;
}

/** Access first, then what tells the mesh to use it; what tells of a remote Secret (a reader's credential) goes after it. */
async function applyRemoteClusters(
  ports: ApplyPublicationPorts,
  { perPeer }: PublicationVerdict,
  remote: RemoteClusters,
  signal: AbortSignal,
): Promise<void> {
  const { world, remoteSecrets } = ports;
  const owned = [...(world.peerAccounts?.list() ?? []), ...(world.peerBindings?.list() ?? [])];
  await applySet(ports, remote.accounts, owned, signal);
  await applyOwn(ports, remote.wayOut, signal);
  await remoteSecrets?.prune(remote.remoteSecrets, knownPeers(world, perPeer, remote), signal);
  for (const secret of remote.readers) await applyOwn(ports, secret, signal);
  await remoteSecrets?.write(remote.remoteSecrets, signal);
}

/**
 * Names of multicluster peers whose remote Secrets may stand and are ours to keep: those of resources, and those that readers still have a credential
 * for. A resource whose finalizer was taken off while nobody led is known by the latter alone, since nobody may list Secrets in the root namespace.
 */
function knownPeers(
  { secrets }: World,
  perPeer: PublicationVerdict['perPeer'],
  { readers }: RemoteClusters,
): readonly string[] {
  const live = readers.map(({ metadata }) => secrets.get(metadata?.namespace, metadata?.name ?? ''));
  const credentialed = live.flatMap((secret) => Object.keys(secret?.data ?? {}));
  const resources = [...perPeer.keys()].filter((key) => key.startsWith('multicluster/'));
  const named = [...credentialed, ...resources.map((key) => key.slice(key.indexOf('/') + 1))];
  return named.filter((name) => perPeer.get(`multicluster/${name}`)?.held !== true);
}

/** Both keys by one write: a second would meet the first one's resource version. */
async function applyMeshConfig(
  { client, world, rootNamespace }: ApplyPublicationPorts,
  { remote, caCertificates }: PublicationVerdict,
  signal: AbortSignal,
): Promise<void> {
  if (world.meshConfig === undefined) return;
  const wish = {
    ...(remote === undefined ? {} : { networks: remote.networks }),
    ...(caCertificates === undefined ? {} : { caCertificates }),
  };
  await keepMeshConfig(client, { namespace: rootNamespace, live: world.meshConfig.list()[0] }, wish, signal);
}

async function applySet(
  { client }: ApplyPublicationPorts,
  desired: readonly KubernetesObject[],
  owned: readonly ApiObject[],
  signal: AbortSignal,
): Promise<void> {
  await applyAndPrune({
    client,
    desired: desired as readonly ApiObject[],
    owned,
    fieldManager: names.fieldManager,
    signal,
  });
}

/** A Secret or ConfigMap of ours in the release namespace. */
async function applyOwn(
  { client, world }: ApplyPublicationPorts,
  desired: Secret | ConfigMap,
  signal: AbortSignal,
): Promise<void> {
  const own = desired.kind === 'ConfigMap' ? world.configMaps : world.secrets;
  const live = own.get(desired.metadata?.namespace, desired.metadata?.name ?? '');
  await applyIfChanged({ client, desired: desired as ApiObject, live, fieldManager: names.fieldManager, signal });
}
