import type { KubernetesObject } from '#istio-api';
import { applyAndPrune, applyIfChanged } from '#kube';
import type { ApiObject, ApplyOutcome, KubeClient } from '#kube';
import { labels, names } from '#model';
import type { World } from '../world.js';
import type { PublicationVerdict } from './decide.js';
import { keepMeshConfig } from './mesh-config.js';
import type { RemoteClusters } from './remote-clusters.js';
import type { RemoteSecretWriter } from './remote-secret-writer.js';

export interface ApplyPublicationPorts {
  readonly client: KubeClient;
  readonly world: World;
  readonly plan?: boolean;
  /** Where the multicluster scheme is on. */
  readonly remoteSecrets?: RemoteSecretWriter;
  readonly rootNamespace: string;
}

export interface AppliedPublication {
  readonly outcome: ApplyOutcome;
  /** The first of what could not be written; the rest was. */
  readonly failure?: Error;
}

/**
 * Makes the cluster hold what a pass decided: trust first (mesh and door act on it), then documents and mesh objects side by side. Imports are
 * written beside it (`imports.ts`): there may be thousands. Everything is tried, whatever fails: one kind that the API server does not take must
 * not keep the others back.
 */
export async function applyPublication(
  ports: ApplyPublicationPorts,
  verdict: PublicationVerdict,
  signal: AbortSignal,
): Promise<AppliedPublication> {
  const { world } = ports;
  const [trust] = await Promise.allSettled([applyOwn(ports, verdict.trustSecret, signal)]);
  const others = await Promise.allSettled([
    applySet(
      ports,
      verdict.documents,
      world.documents.list().filter((secret) => secret.metadata?.labels?.[labels.document] === 'private'),
      signal,
    ),
    applySet(ports, verdict.policies, world.authorizationPolicies.list(), signal),
    applySet(ports, verdict.gateway === undefined ? [] : [verdict.gateway], world.gateways.list(), signal),
    verdict.publicDocument === undefined ? emptyOutcome : applyOwn(ports, verdict.publicDocument, signal),
    verdict.remote === undefined ? emptyOutcome : applyRemoteClusters(ports, verdict, verdict.remote, signal),
    applyMeshConfig(ports, verdict, signal),
  ]);
  const outcomes = [trust, ...others];
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  const outcome = united(outcomes.map((each) => (each.status === 'fulfilled' ? each.value : emptyOutcome)));
  return failed === undefined ? { outcome } : { outcome, failure: asError(failed.reason) };
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

/** Access first, then what tells the mesh to use it. */
async function applyRemoteClusters(
  ports: ApplyPublicationPorts,
  { perPeer }: PublicationVerdict,
  remote: RemoteClusters,
  signal: AbortSignal,
): Promise<ApplyOutcome> {
  const { world, plan = false } = ports;
  const owned = [...(world.peerAccounts?.list() ?? []), ...(world.peerBindings?.list() ?? [])];
  const outcomes = [await applySet(ports, remote.accounts, owned, signal)];
  for (const secret of [...remote.readers, remote.wayOut]) outcomes.push(await applyOwn(ports, secret, signal));
  if (plan) return united(outcomes);
  const known = [...perPeer].flatMap(([key, { held }]) =>
    key.startsWith('multicluster/') && held !== true ? [key.slice(key.indexOf('/') + 1)] : [],
  );
  const written = await ports.remoteSecrets?.keep(remote.remoteSecrets, known, signal);
  return united([...outcomes, { ...emptyOutcome, applied: written ?? [] }]);
}

/** Both keys by one write: a second would meet the first one's resource version. */
async function applyMeshConfig(
  { client, world, rootNamespace, plan = false }: ApplyPublicationPorts,
  { remote, caCertificates }: PublicationVerdict,
  signal: AbortSignal,
): Promise<ApplyOutcome> {
  if (plan || world.meshConfig === undefined) return emptyOutcome;
  const wish = {
    ...(remote === undefined ? {} : { networks: remote.networks }),
    ...(caCertificates === undefined ? {} : { caCertificates }),
  };
  const place = { namespace: rootNamespace, live: world.meshConfig.list()[0] };
  const written = await keepMeshConfig(client, place, wish, signal);
  return written ? { ...emptyOutcome, applied: [names.meshConfigMap] } : emptyOutcome;
}

const emptyOutcome: ApplyOutcome = { applied: [], pruned: [], unchanged: [] };

function applySet(
  { client, plan = false }: ApplyPublicationPorts,
  desired: readonly KubernetesObject[],
  owned: readonly ApiObject[],
  signal: AbortSignal,
): Promise<ApplyOutcome> {
  return applyAndPrune({
    client,
    desired: desired as readonly ApiObject[],
    owned,
    fieldManager: names.fieldManager,
    signal,
    plan,
  });
}

async function applyOwn(
  { client, world, plan = false }: ApplyPublicationPorts,
  desired: KubernetesObject,
  signal: AbortSignal,
): Promise<ApplyOutcome> {
  const name = desired.metadata?.name ?? '';
  const live = world.secrets.get(desired.metadata?.namespace, name);
  if (plan) return live === undefined ? { ...emptyOutcome, applied: [name] } : emptyOutcome;
  const written = await applyIfChanged({
    client,
    desired: desired as ApiObject,
    live,
    fieldManager: names.fieldManager,
    signal,
  });
  return written ? { ...emptyOutcome, applied: [name] } : emptyOutcome;
}

function united(outcomes: readonly ApplyOutcome[]): ApplyOutcome {
  return {
    applied: outcomes.flatMap(({ applied }) => applied),
    pruned: outcomes.flatMap(({ pruned }) => pruned),
    unchanged: outcomes.flatMap(({ unchanged }) => unchanged),
  };
}
