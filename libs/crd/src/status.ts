import { z } from 'zod';

const time = z.string().meta({ format: 'date-time' });
const count = z.int().min(0);

const condition = z.object({
  type: z.string().max(316),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string().min(1).max(1024),
  message: z.string().max(32_768),
  lastTransitionTime: time,
  observedGeneration: z.int().min(0).optional(),
});

const root = z.object({
  fingerprint: z.string().meta({ description: 'sha256:<hex> of the DER; what goes into spec.pins.roots.' }),
  subject: z.string().optional(),
  notBefore: time,
  notAfter: time,
  state: z.enum(['Trusted', 'PendingApproval', 'Refused']),
});

const key = z.object({
  fingerprint: z
    .string()
    .meta({ description: 'sha256:<hex> of the SubjectPublicKeyInfo; what goes into spec.pins.keys.' }),
  kid: z.string(),
  state: z.enum(['Trusted', 'Next', 'Retired', 'PendingApproval', 'Refused']),
});

const peer = z.object({
  clusterUUID: z.string().optional(),
  clusterID: z.string().optional(),
  trustDomain: z.string().optional(),
  clusterDomain: z.string().optional(),
  networkName: z.string().optional(),
  apiHost: z.string().optional(),
  signed: z
    .boolean()
    .optional()
    .meta({ description: 'True once the peer has shown signed documents; never false again.' }),
  firstContact: z
    .enum(['Pinned', 'VerifiedCA', 'Blind'])
    .optional()
    .meta({ description: 'What vouched for the peer when it was first met.' }),
  roots: z.array(root).max(50).optional().meta({ 'x-kubernetes-list-type': 'atomic' }),
  keys: z.array(key).max(50).optional().meta({ 'x-kubernetes-list-type': 'atomic' }),
});

const fetched = z.object({
  fetchedAt: time
    .optional()
    .meta({ description: 'When it was last fetched or confirmed; written once a minute.', format: 'date-time' }),
  changedAt: time.optional().meta({ description: 'When the content last changed.', format: 'date-time' }),
  digest: z.string().optional().meta({ description: 'sha256:<hex> of the document.' }),
  seq: z.int().min(0).optional(),
});

const documents = z.object({
  transport: z.enum(['Stream', 'Poll']).optional(),
  lastAttemptAt: time
    .optional()
    .meta({ description: 'When the peer was last asked, in vain or not; written once a minute.', format: 'date-time' }),
  silentSince: time.optional().meta({
    description: 'First attempt in vain since the peer last answered; absent while it answers.',
    format: 'date-time',
  }),
  public: fetched.optional(),
  private: fetched.optional(),
});

const gateways = z.object({
  total: count,
  reachable: count,
  summary: z.string().meta({ description: 'reachable/total.' }),
  addresses: z
    .array(
      z.object({
        address: z.string(),
        port: z.int().min(1).max(65_535),
        reachable: z.boolean().optional(),
        message: z.string().optional(),
      }),
    )
    .max(100)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'atomic' }),
});

const finding = z.object({ reason: z.string(), subject: z.string().optional(), message: z.string() });

/** Status of both kinds; counts and digests, never whole documents. Every field is optional: it grows with knowledge. */
export const status = z.object({
  observedGeneration: z.int().min(0).optional(),
  conditions: z
    .array(condition)
    .max(50)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
  peer: peer.optional(),
  documents: documents.optional(),
  services: z.object({ offered: count.optional(), imported: count.optional(), exported: count.optional() }).optional(),
  gateways: gateways.optional(),
  remote: z
    .object({
      clusterID: z.string(),
      synced: z.boolean(),
      services: count.optional(),
      endpoints: count.optional().meta({ description: 'Endpoints that stand: read, and not withdrawn.' }),
      withdrawnServices: count.optional().meta({
        description: 'Services whose endpoints spec.stalePolicy has withdrawn for its silence; absent while none.',
      }),
      lastContact: time.optional().meta({ description: 'Last answer of its API server.', format: 'date-time' }),
    })
    .optional()
    .meta({ description: 'IstioMulticluster: how far the mesh core has read the peer’s registry.' }),
  findings: z.array(finding).max(100).optional().meta({
    description: 'What is not as it should be, service by service; the first hundred.',
    'x-kubernetes-list-type': 'atomic',
  }),
  revocation: z
    .object({
      at: time.meta({ description: 'When spec.revoked was carried out.', format: 'date-time' }),
      trustDomain: z.string().optional(),
      roots: z.array(z.string()).max(50).optional().meta({
        description: 'Roots that vouch for nothing any more, sha256:<hex>.',
        'x-kubernetes-list-type': 'atomic',
      }),
      imported: count.optional().meta({ description: 'Imported services that were removed.' }),
      exported: count.optional().meta({ description: 'Services that are no longer offered to the peer.' }),
      remoteServices: count.optional().meta({ description: 'Services of its registry that are no longer read.' }),
      openConnections: z.enum(['Cut', 'Kept']).optional().meta({
        description:
          'What became of open connections of its workloads. Kept: its trust domain is not its alone, so nothing but a new handshake tells them apart; new ones are refused, open ones live until they end.',
      }),
    })
    .optional()
    .meta({ description: 'What spec.revoked has cut; connections that were closed are told by Events.' }),
  removalHeld: z
    .object({
      since: time,
      until: time,
      services: count,
      digest: z.string().optional().meta({ description: 'sha256:<hex> of the document that is held.' }),
    })
    .optional()
    .meta({
      description:
        'A removal of many services that waits; release it with annotation isthmus.dev/accept-removal: its digest, or true.',
    }),
});
