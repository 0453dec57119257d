import type { Resource } from '#proto';
import { type Bundle, trustSecretFor } from '../identity/trust-secret.js';
import type { ResourceCache } from '../resource-cache.js';
import { narrowedTrustSecret } from '../resource-names.js';
import { carriesBytes, carriesHttp } from './chain-match.js';
import { inboundClusterFor, inboundPassthroughCluster } from './clusters.js';
import type { InboundFacts } from './facts.js';
import { virtualInboundListener } from './listener.js';
import { inboundRouteFor } from './route.js';

/** Everything a sidecar needs to stand in front of its workload. */
export function inboundResources(
  cache: ResourceCache,
  facts: InboundFacts,
  bundles: readonly Bundle[],
): readonly Resource[] {
  const served = facts.ports.filter((port) => port.served);
  return [
    cache.resource(`inbound listener ${JSON.stringify(facts)}`, () => virtualInboundListener(cache, facts)),
    ...narrowedSecrets(cache, facts, bundles),
    cache.resource('inbound passthrough', inboundPassthroughCluster),
    ...served.map((port) =>
      cache.resource(`inbound cluster ${port.port} ${port.protocol}`, () => inboundClusterFor(port)),
    ),
    ...served
      .filter(({ protocol }) => carriesHttp(protocol))
      .map((port) => {
        const key = JSON.stringify([port.port, port.grantedTrustDomains, facts.trustDomain, facts.policies]);
        return cache.resource(`inbound route ${key}`, () => inboundRouteFor(facts, port));
      }),
  ];
}

/** Validation secrets of the chains that carry bytes, one for each set of trust domains that some port is granted to. */
function narrowedSecrets(cache: ResourceCache, facts: InboundFacts, bundles: readonly Bundle[]): readonly Resource[] {
  if (bundles.length === 0) return [];
  const ofPorts = facts.ports.filter(({ protocol }) => carriesBytes(protocol));
  const sets = new Map(
    [facts.grantedEverything, ...ofPorts.map((port) => port.grantedTrustDomains)].map((granted) => [
      narrowedTrustSecret(granted),
      new Set([facts.trustDomain, ...granted]),
    ]),
  );
  return [...sets].map(([name, trustDomains]) => {
    const known = bundles.filter(({ trustDomain }) => trustDomains.has(trustDomain));
    return cache.resource(`trust ${name} ${JSON.stringify(known)}`, () => trustSecretFor(known, name));
  });
}
