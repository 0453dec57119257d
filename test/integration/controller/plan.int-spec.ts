import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServiceEntry } from '#istio-api';
import { pathOfObject } from '#kube';
import type { ApiObject } from '#kube';
import { hookTimeoutMs, waitFor } from '../../harness/child.js';
import { Cluster } from './cluster.js';
import { gateway } from './peer.js';
import { planOf } from './plan.js';
import { everything, everythingAtRest } from './written.js';

const privatePath = '/metadata/private/federation.json';
let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start();
  // So that this cluster has its identity; nobody is a peer yet, and no controller runs while there is one.
  const controller = await cluster.firstController('controller-1');
  await controller.stop();
}, hookTimeoutMs);

afterAll(() => cluster?.stop(), 30_000);

describe('a plan of resources that no controller has seen', () => {
  it('asks the peers, says what would be written, writes nothing here, and comes true', async () => {
    const peers = {
      late: await cluster.peer('late'),
      met: await cluster.peer('met'),
      shy: await cluster.peer('shy'),
      away: await cluster.peer('away'),
    };
    const [own, twin] = [await cluster.peer('own'), peers.met];
    peers.shy.server.privateAnswer = (response) => void response.writeHead(403).end();
    own.server.publicAnswer = twin.server.publicAnswer;
    for (const peer of [...Object.values(peers), own]) await cluster.applyResource(peer);
    // A leader of whom nothing is left but this has asked it in vain: it has answered since.
    await cluster.applyResource(peers.late, { stalePolicy: { mode: 'FailClosed', after: '5s' } });
    const silent = { documents: { silentSince: new Date(Date.now() - 3_600_000).toISOString() } };
    await cluster.client.patch(`${peers.late.path}/status`, { status: silent }, 'application/merge-patch+json');
    peers.away.server.stop();
    // The mesh core notes a certificate a moment after it has issued it.
    const stood = await everythingAtRest(cluster.client);
    const said = await planOf(cluster);
    expect(await everything(cluster.client)).toEqual(stood);

    const of = (name: string): object | undefined => said.trust.find(({ peer }) => peer === `federation/${name}`);
    for (const name of ['late', 'met'])
      expect(of(name)).toEqual({
        peer: `federation/${name}`,
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
      ['late', 'met', 'shy'].map((name) => expect.objectContaining({ peer: `federation/${name}`, change: 'new' })),
    );
    const planned = said.objects.filter(({ kind }) => kind === 'ServiceEntry');
    expect(planned.map(({ spec }) => [spec?.hosts, spec?.endpoints?.map(({ address }) => address)])).toEqual([
      [[peers.late.echo], [gateway.address]],
      [[peers.met.echo], [gateway.address]],
    ]);
    const [, entry] = planned;
    expect(said.prune).toEqual([]);
    expect(said.write).toContain(pathOfObject(entry!));

    const controller = await cluster.controller('controller-2');
    const live = await waitFor(
      'the ServiceEntry',
      () => cluster.client.get<ServiceEntry & ApiObject>(pathOfObject(entry!)),
      { timeoutMs: 120_000, logFile: controller.logFile },
    );
    expect(live.spec).toEqual(entry!.spec);
  }, 240_000);
});
