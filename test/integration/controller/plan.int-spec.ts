import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServiceEntry } from '#istio-api';
import { parse } from 'yaml';
import { pathFor, pathOfObject, resources } from '#kube';
import type { ApiObject } from '#kube';
import { waitFor } from '../../harness/child.js';
import { writeServingCertificate } from '../../harness/serving-certificate.js';
import { releaseNamespace } from './chart.js';
import { Cluster } from './cluster.js';
import { gateway, Peer } from './peer.js';
import { PeerServer } from './peer-server.js';

interface Plan {
  readonly trust: readonly { readonly peer: string }[];
  readonly documents: readonly object[];
  readonly write: readonly string[];
  readonly prune: readonly string[];
  readonly objects: readonly (ServiceEntry & ApiObject)[];
}

const privatePath = '/metadata/private/federation.json';
let cluster: Cluster;
let ca: string;
const servers: PeerServer[] = [];

async function newPeer(name: string): Promise<Peer> {
  const server = await PeerServer.start(join(cluster.directory, 'tls'));
  servers.push(server);
  const peer = new Peer(name, server);
  peer.behave();
  return peer;
}

/** Resource version of everything that the controller may write, by path. */
async function everything(): Promise<object> {
  const kinds = ['istioFederations', 'secrets', 'configMaps', 'serviceEntries', 'destinationRules'] as const;
  const more = ['gateways', 'authorizationPolicies', 'leases', 'events'] as const;
  const lists = await Promise.all([...kinds, ...more].map((kind) => cluster.client.list(pathFor(resources[kind]))));
  const ours = lists.flat().filter(({ metadata }) => metadata?.namespace !== 'kube-system');
  return Object.fromEntries(ours.map((object) => [pathOfObject(object), object.metadata?.resourceVersion]));
}

async function plan(): Promise<Plan> {
  const planned = await cluster.controller('plan', ['--plan']);
  await waitFor('the plan', () => (planned.alive() ? undefined : true), { logFile: planned.logFile });
  const lines = planned.log().split('\n');
  return parse(lines.filter((line) => !line.startsWith('{')).join('\n')) as Plan;
}

beforeAll(async () => {
  cluster = await Cluster.start();
  ca = await writeServingCertificate(join(cluster.directory, 'tls'));
  // So that this cluster has its identity; nobody is a peer yet, and no controller runs while there is one.
  const controller = await cluster.controller('controller-1');
  const path = pathFor(resources.secrets, { namespace: releaseNamespace, name: 'isthmus-public-document' });
  await waitFor('the public document', () => cluster.client.get(path), {
    timeoutMs: 60_000,
    logFile: controller.logFile,
  });
  await controller.stop();
}, 150_000);

afterAll(async () => {
  for (const server of servers) server.stop();
  await cluster?.stop();
}, 30_000);

describe('a plan of resources that no controller has seen', () => {
  it('asks the peers, says what would be written, writes nothing here, and comes true', async () => {
    const peers = { met: await newPeer('met'), shy: await newPeer('shy'), away: await newPeer('away') };
    const [own, twin] = [await newPeer('own'), peers.met];
    peers.shy.server.privateAnswer = (response) => void response.writeHead(403).end();
    own.server.publicAnswer = twin.server.publicAnswer;
    for (const peer of [...Object.values(peers), own])
      await cluster.client.apply(peer.resource(ca) as ApiObject, { fieldManager: 'operator' });
    peers.away.server.stop();
    const stood = await everything();
    const said = await plan();
    expect(await everything()).toEqual(stood);

    const of = (name: string): object | undefined => said.trust.find(({ peer }) => peer === `federation/${name}`);
    expect(of('met')).toEqual({
      peer: 'federation/met',
      trusted: true,
      change: 'begins',
      why: 'its first contact was VerifiedCA',
      met: { publicDocument: 'taken', privateDocument: 'taken' },
    });
    expect(of('shy')).toMatchObject({
      trusted: true,
      met: { publicDocument: 'taken', privateDocument: expect.stringMatching(/^TokenRejected: .*403/) },
    });
    expect(of('away')).toMatchObject({
      trusted: false,
      change: 'none',
      why: expect.stringContaining('to be met first'),
      met: {
        publicDocument: expect.stringMatching(/^Unreachable: /),
        privateDocument: expect.stringMatching(/^not asked/),
      },
    });
    // What it shows is another peer's: it is neither trusted nor shown a token.
    expect(of('own')).toMatchObject({ trusted: false, met: { privateDocument: expect.stringMatching(/^not asked/) } });
    expect([peers.met, peers.shy, own].map(({ server }) => server.asked.get(privatePath) ?? 0)).toEqual([1, 1, 0]);

    expect(said.documents).toEqual(
      ['met', 'shy'].map((name) => expect.objectContaining({ peer: `federation/${name}`, change: 'new' })),
    );
    const planned = said.objects.filter(({ kind }) => kind === 'ServiceEntry');
    expect(planned.map(({ spec }) => [spec?.hosts, spec?.endpoints?.map(({ address }) => address)])).toEqual([
      [[peers.met.echo], [gateway.address]],
    ]);
    const [entry] = planned;
    expect(said.prune).toEqual([]);
    expect(said.write).toContain(pathOfObject(entry!));

    const controller = await cluster.controller('controller-2');
    try {
      const live = await waitFor(
        'the ServiceEntry',
        () => cluster.client.get<ServiceEntry & ApiObject>(pathOfObject(entry!)),
        {
          timeoutMs: 60_000,
          logFile: controller.logFile,
        },
      );
      expect(live.spec).toEqual(entry!.spec);
    } finally {
      await controller.stop();
    }
  }, 150_000);
});
