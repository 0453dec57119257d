import { z } from 'zod';
import { metadata, metadataEndpoint, pins, revoked, trustDomain } from './fields.js';
import { withRules } from './rule.js';
import { stalePolicy } from './stale-policy.js';

/** Spec of an IstioMulticluster: the one place where its fields are named. */
export const multiclusterSpec = withRules(
  z.object({
    metadataEndpoint,
    trustDomain: trustDomain.optional().meta({
      description: "SPIFFE trust domain of the peer; default: from its signed document, else this cluster's domain.",
    }),
    sharedTrustDomain: z.boolean().default(false).meta({
      description: 'The peer lives in a trust domain that others (or this cluster) use too: roots are united.',
    }),
    enableIngressGateway: z
      .boolean()
      .default(true)
      .meta({ description: 'Reach its pods through its east-west gateways; false where pod networks are flat.' }),
    metadata: metadata.optional(),
    pins: pins.optional(),
    stalePolicy: stalePolicy.optional(),
    revoked,
    legacyAPITokens: z
      .boolean()
      .default(false)
      .meta({ description: 'Accept API tokens that live up to 400 days and carry no jti.' }),
    allowReviews: z
      .boolean()
      .default(false)
      .meta({ description: 'Let the peer create token and subject-access reviews on this cluster.' }),
  }),
  'A co-dependent cluster: same names mean the same services.',
  [],
);
