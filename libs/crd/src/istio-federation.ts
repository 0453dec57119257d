import { z } from 'zod';
import {
  clusterDomain,
  dnsNamePattern,
  hostList,
  metadata,
  metadataEndpoint,
  namespaceName,
  pins,
  revoked,
  stringSet,
  trustDomain,
} from './fields.js';
import { labelSelector } from './label-selector.js';
import { matching, withRules } from './rule.js';
import { stalePolicy } from './stale-policy.js';

const exportTarget = matching(
  z.string().max(63, { error: 'is longer than 63 characters' }),
  /^(\.|\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$/,
  'must be "*", "." or the name of a namespace',
);

const exports = z
  .object({
    serviceSelector: labelSelector.optional(),
    namespaces: stringSet(
      namespaceName,
      512,
      'Only Services of these namespaces; an empty list exports nothing.',
    ).optional(),
    hosts: hostList('Only Services of these host names (ours); an empty list exports nothing.'),
  })
  .meta({
    description:
      'Which labelled Services this peer may see and call; all conditions must hold. Default: every labelled Service.',
  });

/** What is wrong with an empty `imports.exportTo`, and what to do about it. */
export const visibleNowhere = 'names no namespace: leave it out for all of them, or set hosts to [] to import nothing';

const imports = withRules(
  z.object({
    hosts: hostList('Only these host names of the peer; an empty list imports nothing.'),
    exportTo: stringSet(exportTarget, 512, 'Namespaces that see the imports, at least one; default "*".').optional(),
  }),
  'Which offered services are imported. Default: all of them, visible everywhere.',
  [
    {
      cel: '!has(self.exportTo) || size(self.exportTo) > 0',
      message: `exportTo ${visibleNowhere}`,
      field: 'exportTo',
    },
  ],
);

const domainOf = (spec: { readonly clusterDomain?: string | undefined; readonly trustDomain: string }): string =>
  spec.clusterDomain ?? spec.trustDomain;

/** Spec of an IstioFederation: the one place where its fields are named. */
export const federationSpec = withRules(
  z.object({
    trustDomain: trustDomain.meta({
      description: "SPIFFE trust domain of the peer's workloads. Its roots vouch for this domain only.",
    }),
    clusterDomain: clusterDomain.optional().meta({
      description:
        'DNS suffix of its Services; default: trustDomain. It may offer names below *.svc.<clusterDomain> only.',
    }),
    metadataEndpoint,
    metadata: metadata.optional(),
    pins: pins.optional(),
    exports: exports.optional(),
    imports: imports.optional(),
    stalePolicy: stalePolicy.optional(),
    revoked,
  }),
  'A sovereign cluster with its own trust domain and names, and what is shared with it.',
  [
    {
      cel: `has(self.clusterDomain) || self.trustDomain.matches('${dnsNamePattern}')`,
      message: 'trustDomain is not a DNS name, so it cannot stand in for the cluster domain: set clusterDomain',
      field: 'trustDomain',
      holds: (spec) => spec.clusterDomain !== undefined || new RegExp(dnsNamePattern).test(spec.trustDomain),
    },
    {
      cel: "!has(self.imports) || !has(self.imports.hosts) || self.imports.hosts.all(h, h.endsWith('.svc.' + (has(self.clusterDomain) ? self.clusterDomain : self.trustDomain)))",
      message: 'imports.hosts must lie below svc.<clusterDomain> of the peer: it may offer no other names',
      field: 'imports',
      holds: (spec) => (spec.imports?.hosts ?? []).every((host) => host.endsWith(`.svc.${domainOf(spec)}`)),
    },
  ],
);
