import { describe, expect, it } from '@jest/globals';
import { parseIstioMulticluster } from '#crd';
import type { PeerStatus } from '#crd';
import type { PeerMemory } from '#trust';
import { caOf, now, ownUUID } from '../../../../libs/trust/src/peer.fixture.js';
import { nothingHeard } from '../peer-link/hearing.js';
import { decideMulticluster } from './decide.js';
import type { MulticlusterInput } from './decide.js';
import { multiclusterStatus } from './status.js';

const memory: PeerMemory = {
  version: 1,
  facts: {
    clusterUUID: 'uuid-b',
    trustDomain: 'b.example',
    clusterDomain: 'b.example',
    roots: [caOf('b.example')['root-cert.pem']],
    keys: [],
    crls: [],
    signed: true,
    seq: 1,
  },
  firstContact: 'VerifiedCA',
  firstContactAt: 1,
  publicDocument: { seq: 1, fetchedAt: now, changedAt: now, digest: 'x' },
};
const publication = {
  ...{ trusted: true, trustWithdrawn: false, heard: true, imported: 0, exported: 0 },
  ...{ findings: [], exportFindings: [], withdrawn: 0 },
};
const registry = { synced: true, services: 7, endpoints: 9, lastContact: now };

function statusOf(revoked: boolean, over: Partial<MulticlusterInput>): PeerStatus {
  const object = {
    apiVersion: 'isthmus.dev/v1alpha1',
    kind: 'IstioMulticluster',
    metadata: { name: 'b', generation: 1 },
    spec: { metadataEndpoint: 'https://b.example/metadata', revoked },
  };
  const parsed = parseIstioMulticluster(object);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed));
  const input: MulticlusterInput = {
    ref: { kind: 'IstioMulticluster', name: 'b' },
    metadata: object.metadata,
    previous: undefined,
    resource: parsed.value,
    hearing: nothingHeard,
    proven: new Map(),
    memory,
    publication,
    probes: [],
    claimedRoots: new Map(),
    schemeEnabled: true,
    mesh: {
      trustDomain: 'a.example',
      clusterDomain: 'a.example',
      importsNamespace: 'imports',
      releaseNamespace: 'release',
      rootNamespace: 'istio-system',
    },
    ownClusterUUID: ownUUID,
    trustUnscoped: false,
    now,
    api: undefined,
    registry,
    ...over,
  };
  return multiclusterStatus(input, decideMulticluster(input));
}

describe('what was cut with a multicluster peer', () => {
  it('counts the services of its registry, though the mesh core forgets them before the pass has ended', () => {
    const before = statusOf(false, {});
    expect(before.remote).toMatchObject({ synced: true, services: 7 });
    const during = statusOf(true, { previous: before, registry: undefined });
    expect([during.revocation, during.remote?.synced]).toEqual([undefined, false]);
    const cut = { publication: { ...publication, trusted: false }, registry: undefined };
    const told = statusOf(true, { ...cut, previous: during });
    expect(told.revocation).toMatchObject({ remoteServices: 7, trustDomain: 'b.example', openConnections: 'Cut' });
    const after = statusOf(true, { ...cut, previous: told });
    expect(after.revocation).toEqual(told.revocation);
    expect(after.remote).toEqual({ clusterID: before.remote?.clusterID, synced: false });
  });
});
