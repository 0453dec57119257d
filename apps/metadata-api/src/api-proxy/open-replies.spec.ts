import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { TrustedPeer } from '#model';
import { ByteAllowance } from './byte-allowance.js';
import { meshConfigFor, noSecrets, ownList, ownWatch } from './own-answers.js';
import { OpenReplies } from './open-replies.js';
import { Reply } from './reply.js';
import type { AnyResponse } from './reply.js';
import { statusHeaders, statusObject } from './status-object.js';

const peer = (name: string): TrustedPeer => ({ kind: 'IstioMulticluster', name }) as TrustedPeer;

function reply(watch: boolean): Reply {
  const response = Object.assign(new EventEmitter(), {
    writeHead: () => ({ flushHeaders: () => undefined }),
    end: () => undefined,
    destroy: () => undefined,
  });
  const made = new Reply(response as unknown as AnyResponse, watch, 1_000);
  made.begin(200, {});
  return made;
}

describe('open replies', () => {
  it('are bounded for each peer, watches apart from the rest', async () => {
    const open = new OpenReplies({ watchesPerPeer: 2, requestsPerPeer: 1 });
    const [a, b] = [peer('a'), peer('b')];
    const watches = [reply(true), reply(true)];
    for (const watch of watches) open.add(a, watch);
    expect([open.hasRoomFor(a, true), open.hasRoomFor(a, false), open.hasRoomFor(b, true)]).toEqual([
      false,
      true,
      true,
    ]);
    // What was trusted anew is still the same peer.
    expect(open.hasRoomFor(peer('a'), true)).toBe(false);
    watches[0]?.end('over');
    await watches[0]?.ended;
    expect([open.hasRoomFor(a, true), open.count(true), open.count(false)]).toEqual([true, 1, 0]);
  });

  it('end when trust goes away, those of others stay', async () => {
    const open = new OpenReplies({ watchesPerPeer: 9, requestsPerPeer: 9 });
    const [a, b] = [peer('a'), peer('b')];
    const [theirs, list, others] = [reply(true), reply(false), reply(true)];
    open.add(a, theirs);
    open.add(a, list);
    open.add(b, others);
    open.endUntrusted((asked) => (asked === b ? 'trusted' : 'untrusted'));
    expect(await Promise.all([theirs.ended, list.ended])).toEqual(['untrusted', 'untrusted']);
    expect([others.over, open.count(true), open.count(false)]).toEqual([false, 1, 0]);
    open.endWatches('draining');
    expect(await others.ended).toBe('draining');
  });

  it('of a peer whose key is gone: a watch ends in order, other answers under way are finished', async () => {
    const open = new OpenReplies({ watchesPerPeer: 9, requestsPerPeer: 9 });
    const [watch, list] = [reply(true), reply(false)];
    open.add(peer('a'), watch);
    open.add(peer('a'), list);
    open.endUntrusted(() => 'rekeyed');
    expect([await watch.ended, list.over]).toEqual(['over', false]);
    open.endUntrusted(() => 'untrusted');
    expect(await list.ended).toBe('untrusted');
  });
});

describe('byte allowance', () => {
  it('lets two seconds’ worth pass at once, then makes wait, each peer for itself', () => {
    const bytes = new ByteAllowance(1_000);
    expect(bytes.take('a', 2_000, 0)).toBe(0);
    expect(bytes.take('a', 500, 0)).toBe(500);
    expect(bytes.take('b', 500, 0)).toBe(0);
    expect(bytes.take('a', 0, 500)).toBe(0);
    bytes.keepOnly(new Set(['b']));
    expect(bytes.take('a', 2_000, 500)).toBe(0);
  });
});

describe('answers of our own', () => {
  it.each([
    ['application/json', { kind: 'SecretList', apiVersion: 'v1', items: [] }],
    ['application/vnd.kubernetes.protobuf, */*', { kind: 'SecretList' }],
    ['application/json;as=Table;v=v1;g=meta.k8s.io,application/json', { kind: 'Table', rows: [] }],
    ['application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1', { kind: 'PartialObjectMetadataList' }],
  ])('no Secrets, as %s', (accept, expected) => {
    expect(JSON.parse(ownList(noSecrets, accept))).toMatchObject(expected);
  });

  it('a watch of Secrets begins with a bookmark only for who asked for the present state', () => {
    expect(ownWatch(noSecrets, '', new Map([['watch', 'true']]))).toBe('');
    const query = new Map([
      ['sendInitialEvents', 'true'],
      ['allowWatchBookmarks', 'true'],
    ]);
    expect(JSON.parse(ownWatch(noSecrets, 'a;as=PartialObjectMetadata;v=v1', query))).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'PartialObjectMetadata' },
    });
  });

  it('errors are Status objects', () => {
    const failure = { status: 429, message: 'slow down', retryAfterSeconds: 3 };
    expect(JSON.parse(statusObject(failure))).toEqual({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'slow down',
      reason: 'TooManyRequests',
      details: { retryAfterSeconds: 3 },
      code: 429,
    });
    expect(statusHeaders(failure)).toHaveProperty('retry-after', '3');
    expect(statusHeaders({ status: 401, message: '' })).toHaveProperty('www-authenticate', 'Bearer');
  });
  it('the mesh configuration: our trust domain, once for each who has it not', () => {
    const asked = new Map([['fieldSelector', 'metadata.name=istio']]);
    const own = meshConfigFor('/api/v1/namespaces/istio-system/configmaps', asked, 'here.example');
    const metadata = { namespace: 'istio-system', name: 'istio' };
    const list = JSON.parse(ownList(own, 'application/json;as=Table')) as { metadata: { resourceVersion: string } };
    expect(list).toMatchObject({
      kind: 'ConfigMapList',
      items: [{ kind: 'ConfigMap', metadata, data: { mesh: 'trustDomain: here.example\n' } }],
    });
    const { resourceVersion } = list.metadata;
    const watch = (...more: readonly (readonly [string, string])[]): readonly unknown[] =>
      ownWatch(own, '', new Map([...asked, ['watch', 'true'], ...more]))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(watch(['resourceVersion', resourceVersion])).toEqual([]);
    expect(watch(['resourceVersion', '1'])).toEqual(['ADDED']);
    expect(watch(['sendInitialEvents', 'true'], ['allowWatchBookmarks', 'true'])).toEqual(['ADDED', 'BOOKMARK']);
  });
});
