import { isDeepStrictEqual } from 'node:util';
import type { Secret } from '#istio-api';
import { pathFor, pathOfObject, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { names, trustRegistryIn } from '#model';
import { waitFor } from '../../harness/child.js';
import { releaseNamespace } from './chart.js';

/** Resource version of everything that the controller may write, by path. */
export async function everything(client: KubeClient): Promise<object> {
  const kinds = ['istioFederations', 'secrets', 'configMaps', 'serviceEntries', 'destinationRules'] as const;
  const more = ['gateways', 'authorizationPolicies', 'leases', 'events'] as const;
  const lists = await Promise.all([...kinds, ...more].map((kind) => client.list(pathFor(resources[kind]))));
  const ours = lists.flat().filter(({ metadata }) => metadata?.namespace !== 'kube-system');
  return Object.fromEntries(ours.map((object) => [pathOfObject(object), object.metadata?.resourceVersion]));
}

/** The same once two looks agree: a write may have been under way when its writer was stopped. */
export async function everythingAtRest(client: KubeClient): Promise<object> {
  let before: object = {};
  const agreed = async (): Promise<object | undefined> => {
    const now = await everything(client);
    const same = isDeepStrictEqual(now, before);
    before = now;
    return same ? now : undefined;
  };
  return waitFor('nothing to be written any more', agreed, { timeoutMs: 60_000, everyMs: 1_000 });
}

/** Whether the trust Secret names the peer. Without the Secret nobody knows: that is no `false`. */
export async function isTrusted(client: KubeClient, peerName: string): Promise<boolean> {
  const path = pathFor(resources.secrets, { namespace: releaseNamespace, name: names.trustSecret });
  const secret = await client.get<Secret & ApiObject>(path);
  if (secret === undefined) throw new Error(`${path} is not there`);
  return trustRegistryIn(secret.data)?.peers.some(({ name }) => name === peerName) ?? false;
}
