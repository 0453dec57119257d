import type { PeerStatus } from '#crd';
import type { ApiObject, KubeClient } from '#kube';
import { waitFor } from '../../harness/child.js';
import type { Cluster } from './cluster.js';
import type { Peer } from './peer.js';

export type Condition = NonNullable<PeerStatus['conditions']>[number];

/** A peer stands for its IstioFederation; any other resource is named by its path. */
type Resource = Peer | string;

export interface Patience {
  /** What the condition must say, too. */
  readonly message?: RegExp;
  readonly timeoutMs?: number;
}

/** A condition as it is told now. */
export async function conditionNow(
  client: KubeClient,
  resource: Resource,
  type: string,
): Promise<Condition | undefined> {
  return conditionIn(await statusOf(client, resource), type);
}

/** The whole status in which a condition gives this reason, as soon as there is one. */
export function statusWith(
  cluster: Cluster,
  resource: Resource,
  type: string,
  reason: string,
  { message = /./, timeoutMs = 30_000 }: Patience = {},
): Promise<PeerStatus> {
  const check = async (): Promise<PeerStatus> => {
    const status = await statusOf(cluster.client, resource);
    const found = conditionIn(status, type);
    if (found?.reason === reason && message.test(found.message)) return status;
    throw new Error(`${found?.status}/${found?.reason}: ${found?.message}`);
  };
  const what = `${type} of ${pathOf(resource)} to say ${reason}`;
  return waitFor(what, check, { timeoutMs, everyMs: 50, logFile: cluster.logFile });
}

/** The condition alone, as soon as it gives this reason. */
export async function conditionOf(...wanted: Parameters<typeof statusWith>): Promise<Condition> {
  const [, , type] = wanted;
  return conditionIn(await statusWith(...wanted), type)!;
}

async function statusOf(client: KubeClient, resource: Resource): Promise<PeerStatus> {
  const found = await client.get<ApiObject & { readonly status?: PeerStatus }>(pathOf(resource));
  return found?.status ?? {};
}

function conditionIn({ conditions = [] }: PeerStatus, type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

function pathOf(resource: Resource): string {
  return typeof resource === 'string' ? resource : resource.path;
}
