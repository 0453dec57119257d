import type { PeerStatus } from '#crd';
import type { ConfigMap } from '#istio-api';
import { ForbiddenError, pathFor, resources } from '#kube';
import type { ApiObject, ResourcePath } from '#kube';
import { annotations, names } from '#model';
import { parseCertificate, splitCertificates } from '#trust';
import type { CommandContext } from './context.js';

interface Peer extends ApiObject {
  readonly spec?: { readonly revoked?: boolean };
  readonly status?: PeerStatus;
}

interface Report {
  readonly phase: string;
  readonly message: string;
  /** Of the signing key's report. */
  readonly keys?: readonly Key[];
}

interface Key {
  readonly fingerprint: string;
  readonly state: string;
}

interface Own {
  readonly clusterUUID: string;
  readonly trustDomain: string;
  readonly roots: readonly { readonly fingerprint: string; readonly notAfter: string }[];
  readonly keys: readonly Key[];
  readonly changes: Readonly<Record<string, Report>>;
}

/** Roots, keys and peers as they are trusted now. */
export async function showTrust(context: CommandContext): Promise<void> {
  const own = await ownTrust(context);
  const peers = (await peersOf(context)).map(peerRow);
  if (context.json) context.print(JSON.stringify({ ...own, peers }));
  else tell(context.say, own, peers);
}

/** @throws Error that names the peers which are still there */
export async function noPeersLeft(context: CommandContext): Promise<void> {
  // The controller's account may not list a kind whose scheme is off.
  const unlisted = (error: unknown): readonly Peer[] => {
    if (error instanceof ForbiddenError) return [];
    throw error;
  };
  const kinds = await Promise.all(peerKinds.map((each) => peersOfKind(context, each).catch(unlisted)));
  const there = kinds.flat().map(({ kind, metadata }) => `${kind?.toLowerCase() ?? ''}/${metadata?.name ?? ''}`);
  if (there.length > 0)
    throw new Error(
      `peers are still there: delete them first, so that trust in them ends: kubectl delete ${there.join(' ')}. To uninstall with them in place: helm uninstall --no-hooks`,
    );
  context.say('no peers: nothing is left behind');
}

async function ownTrust({ client, namespace }: CommandContext): Promise<Own> {
  const read = async (name: string): Promise<(ConfigMap & ApiObject) | undefined> =>
    client.get(pathFor(resources.configMaps, { namespace, name }));
  const [cluster, rootMap, ca, gateways] = await Promise.all(
    [names.clusterConfigMap, names.rootCertConfigMap, names.caReportConfigMap, names.gatewaysConfigMap].map(read),
  );
  if (cluster === undefined)
    throw new Error(
      `ConfigMap ${namespace}/${names.clusterConfigMap}: there is none; is Isthmus installed there? See -n`,
    );
  const roots = splitCertificates(rootMap?.data?.[names.rootCertKey] ?? '').map((pem) => {
    const { fingerprint, notAfter } = parseCertificate(pem);
    return { fingerprint: `sha256:${fingerprint}`, notAfter: new Date(notAfter).toISOString().replace('.000Z', 'Z') };
  });
  const { keys, changes } = controllerReports(cluster);
  const { clusterUUID = '', trustDomain = '' } = cluster.data ?? {};
  return {
    clusterUUID,
    trustDomain,
    roots,
    keys,
    changes: {
      ...changes,
      ...reportOf('root', ca?.data?.[names.caRotationKey]),
      ...reportOf('gateway-addresses', gateways?.data?.[names.gatewaysReportKey]),
    },
  };
}

function controllerReports({ metadata }: ApiObject): Pick<Own, 'keys' | 'changes'> {
  const told = metadata?.annotations?.[annotations.rotationReport] ?? '{}';
  const { 'signing-key': signing, ...others } = JSON.parse(told) as Own['changes'];
  if (signing === undefined) return { keys: [], changes: others };
  const { keys = [], ...signingKey } = signing;
  return { keys, changes: { 'signing-key': signingKey, ...others } };
}

function tell(say: CommandContext['say'], own: Own, peers: readonly PeerRow[]): void {
  say(`cluster ${own.clusterUUID}, trust domain ${own.trustDomain}`);
  tellFingerprints(say, own);
  for (const [what, { phase, message }] of Object.entries(own.changes)) say(`  ${what}: ${phase}; ${message}`);
  if (peers.length === 0) say('no peers');
  for (const { peer, state, trustDomain, roots, keys } of peers) {
    say(`${peer}: ${state}${trustDomain === '' ? '' : `, trust domain ${trustDomain}`}`);
    tellFingerprints(say, { roots, keys });
  }
}

/** As status.peer shows and spec.pins takes them, of both sides alike: so they can be compared out of band. */
function tellFingerprints(
  say: CommandContext['say'],
  { roots, keys }: { readonly roots: readonly ToldRoot[]; readonly keys: Own['keys'] },
): void {
  for (const { fingerprint, notAfter, state = 'Trusted' } of roots)
    say(`  root ${fingerprint}, until ${notAfter}${state === 'Trusted' ? '' : ` (${state})`}`);
  for (const { fingerprint, state } of keys) say(`  signing key ${fingerprint} (${state})`);
}

function reportOf(what: string, text: string | undefined): Readonly<Record<string, Report>> {
  return text === undefined ? {} : { [what]: JSON.parse(text) as Report };
}

const peerKinds = [resources.istioFederations, resources.istioMulticlusters] as const;

async function peersOf(context: CommandContext): Promise<readonly Peer[]> {
  return (await Promise.all(peerKinds.map((each) => peersOfKind(context, each)))).flat();
}

/** None where the cluster has no CRD of the kind. */
async function peersOfKind({ client }: CommandContext, resource: ResourcePath): Promise<readonly Peer[]> {
  return (await client.list<Peer>(pathFor(resource))) ?? [];
}

interface ToldRoot {
  readonly fingerprint: string;
  readonly notAfter: string;
  readonly state?: string;
}

interface PeerRow {
  readonly peer: string;
  readonly state: string;
  readonly trustDomain: string;
  readonly roots: NonNullable<NonNullable<PeerStatus['peer']>['roots']>;
  readonly keys: NonNullable<NonNullable<PeerStatus['peer']>['keys']>;
}

function peerRow({ kind, metadata, spec, status }: Peer): PeerRow {
  const trust = status?.conditions?.find(({ type }) => type === 'TrustEstablished')?.reason;
  const { trustDomain = '', roots = [], keys = [] } = status?.peer ?? {};
  const state = spec?.revoked === true ? 'Revoked' : (trust ?? 'not looked at yet');
  return { peer: `${kind}/${metadata?.name ?? ''}`, state, trustDomain, roots, keys };
}
