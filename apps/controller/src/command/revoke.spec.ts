import { describe, expect, it } from '@jest/globals';
import { ForbiddenError } from '#kube';
import { cutLines, parsePeer, restoreTrust, revokeTrust } from './revoke.js';
import type { CommandContext } from './context.js';

describe('parsePeer', () => {
  it.each([
    ['ifed/west', 'IstioFederation'],
    ['IstioFederation/west', 'IstioFederation'],
    ['istiofederations.isthmus.dev/west', 'IstioFederation'],
    ['imc/west', 'IstioMulticluster'],
    ['istiomulticlusters.v1alpha1.isthmus.dev/west', 'IstioMulticluster'],
  ])('%s', (text, kind) => {
    expect(parsePeer(text)).toMatchObject({ kind, name: 'west' });
  });
  it.each(['west', 'imc/', 'imc/west/east', 'pod/west', 'imcs.example/west', 'imc/We st', ''])(
    'refuses %j, and says what is allowed',
    (text) => {
      expect(() => parsePeer(text)).toThrow('give istiofederation/NAME or istiomulticluster/NAME');
    },
  );
});

describe('what a revocation is told to have cut', () => {
  const cut = {
    at: '2026-11-21T00:00:00Z',
    trustDomain: 'one.example',
    roots: ['sha256:ab'],
    imported: 1,
    exported: 2,
  };

  it('is counted as a person would', () => {
    expect(cutLines('west', { ...cut, openConnections: 'Cut' }, '0.4 s')).toEqual([
      '√ trust in one.example ended after 0.4 s',
      '√ root sha256:ab vouches for nothing any more',
      '√ 1 imported service removed',
      '√ 2 services no longer offered to it',
      '√ its workloads are refused at their next request; their TCP connections are cut',
    ]);
  });

  it('is of a multicluster peer what was read of it', () => {
    const { imported: _in, exported: _out, ...trust } = cut;
    const lines = cutLines('west', { ...trust, remoteServices: 7, openConnections: 'Cut' }, '0.4 s');
    expect(lines).toEqual([
      '√ trust in one.example ended after 0.4 s',
      '√ root sha256:ab vouches for nothing any more',
      '√ 7 services of its registry no longer read',
      '√ its workloads are refused at their next request; their TCP connections are cut',
    ]);
    expect(cutLines('west', { ...trust, remoteServices: 1 }, '0.4 s').join()).toContain('1 service of its registry');
  });

  it('is no open connection of a trust domain that others use too', () => {
    const lines = cutLines('west', { ...cut, openConnections: 'Kept' }, '0.4 s').join('\n');
    expect(lines).toContain('trust in west ended after 0.4 s; trust domain one.example goes on');
    expect(lines).toMatch(/new connections of its workloads are refused\n! open ones live until they end/);
    expect(lines).not.toContain('next request');
  });
});

describe('revokeTrust', () => {
  const peer = parsePeer('ifed/west');
  const since = '2026-11-22T02:00:00Z';
  const event = (creationTimestamp: string, note: string): object => ({ metadata: { creationTimestamp }, note });

  /** What is said where the Events are listed with these outcomes in turn, the last again and again. */
  async function told(withinMs: number, ...lists: readonly (() => readonly object[])[]): Promise<readonly string[]> {
    const said: string[] = [];
    const revocation = { at: since, trustDomain: 'one.example', openConnections: 'Cut' };
    let turn = 0;
    const client = {
      patch: () =>
        Promise.resolve({ metadata: { managedFields: [{ time: '2026-11-01T00:00:00Z' }, { time: since }] } }),
      get: () => Promise.resolve({ status: { revocation } }),
      list: async () => lists[Math.min(turn++, lists.length - 1)]?.(),
    };
    const say = (line: string): void => void said.push(line);
    const context = { client, namespace: 'n', json: false, say, print: say } as unknown as CommandContext;
    await revokeTrust(context, peer, Date.now() + withinMs);
    return said.slice(said.indexOf('  waiting for the door to tell what it closed …') + 1);
  }

  it('tells what each replica of the door closed since then, a list that fails notwithstanding', async () => {
    const fails = (): never => {
      throw new Error('HTTP 504');
    };
    const before = event('2026-11-22T01:59:59Z', 'metadata-api a closed 9 streams');
    const first = event(since, 'metadata-api a closed 1 stream');
    const other = event(since, 'trust in IstioFederation west has ended');
    const second = event('2026-11-22T02:00:01Z', 'metadata-api b closed 2 streams');
    const lists = [fails, () => [before, other, first], () => [before, other, first, second], fails];
    expect(await told(30_000, ...lists)).toEqual([
      '√ metadata-api a closed 1 stream',
      '√ metadata-api b closed 2 streams',
    ]);
  });

  it('says where to look later when the door has told of nothing', async () => {
    expect(await told(1_200, () => [])).toEqual([
      expect.stringMatching(
        /^ {2}the door has told of nothing, .*: kubectl get events -n default --field-selector reason=Revoked,involvedObject\.kind=IstioFederation,involvedObject\.name=west$/,
      ),
    ]);
  });

  it('says where it stands when Events may not be listed', async () => {
    const refuse = (): never => {
      throw new ForbiddenError(403, 'Forbidden', 'no', { method: 'GET', path: '/x' });
    };
    expect(await told(30_000, refuse)).toEqual([expect.stringContaining('which you may not list')]);
  });
});

describe('restoreTrust', () => {
  const peer = parsePeer('imc/west');
  const held = { type: 'TrustEstablished', status: 'False', reason: 'KeyChangedPendingApproval', message: 'a new key' };

  function context(revoked: boolean | undefined): { given: CommandContext; said: string[]; patches: unknown[] } {
    const [said, patches]: [string[], unknown[]] = [[], []];
    const say = (line: string): void => void said.push(line);
    const client = {
      get: () => Promise.resolve({ spec: { revoked }, status: { conditions: [held] } }),
      patch: (_path: string, body: unknown) => Promise.resolve(patches.push(body)),
    };
    return {
      given: { client, namespace: 'n', json: false, say, print: say } as unknown as CommandContext,
      said,
      patches,
    };
  }

  it.each([false, undefined])('writes nothing where spec.revoked is %s, and says so', async (revoked) => {
    const { given, said, patches } = context(revoked);
    await restoreTrust(given, peer, Date.now() + 30_000);
    expect([patches, said]).toEqual([[], [expect.stringContaining('is not revoked: nothing was to be done')]]);
  });

  it('says that a peer which has changed meanwhile needs pins', async () => {
    const { given, patches } = context(true);
    await expect(restoreTrust(given, peer, Date.now() + 30_000)).rejects.toThrow(
      /a new key\. Compare .* set spec\.pins/,
    );
    expect(patches).toEqual([{ spec: { revoked: false } }]);
  });
});
