import { describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import { kubeErrorFrom } from '#kube';
import { done } from '#reconcile';
import { federation } from '#testing';
import { nothingHeard } from '../peer-link/hearing.js';
import { applyPeer, departureNote, writePeerStatus } from './apply.js';
import type { PeerActions } from './apply.js';
import { StatusPace } from './status-pace.js';
import type { PeerInput } from './input.js';
import type { PeerVerdict } from './verdict.js';

const signal = new AbortController().signal;
const resource = federation();
const input: PeerInput = {
  ref: { kind: 'IstioFederation', name: 'b' },
  metadata: { ...resource.metadata, finalizers: ['isthmus.dev/peer'] },
  previous: undefined,
  resource,
  hearing: nothingHeard,
  proven: new Map(),
  memory: undefined,
  publication: undefined,
  probes: [],
  claimedRoots: new Map(),
  schemeEnabled: true,
  mesh: { trustDomain: 'a', clusterDomain: 'a', importsNamespace: 'i', releaseNamespace: 'r', rootNamespace: 's' },
  trustUnscoped: false,
  ownClusterUUID: 'a',
  now: 0,
};
const verdict: PeerVerdict = {
  next: done(),
  leaving: false,
  link: undefined,
  memory: undefined,
  findings: [],
  spentAnnotation: { name: 'isthmus.dev/accept-removal', value: 'true' },
};

function actions(patch: (path: string, body: unknown) => Promise<unknown>): PeerActions {
  return {
    client: { patch },
    links: { remove: () => Promise.resolve() },
    memories: { restore: () => Promise.resolve() },
  } as unknown as PeerActions;
}

describe('what is told of a resource that goes', () => {
  const told = (status: string, more: object = {}): PeerStatus =>
    ({ conditions: [{ type: 'TrustEstablished', status }], ...more }) as unknown as PeerStatus;
  const services = { imported: 3, exported: 2 };

  it.each([
    ['as it was last told', told('True', { services }), '3 imported services removed, 2 no longer offered'],
    ['never trusted', told('False', { services: { imported: 0 } }), 'was not trusted through it, so nothing was cut'],
    ['a multicluster peer', told('True', { remote: { services: 8 } }), '8 services of its registry no longer read'],
    ['nothing was told yet', undefined, 'was not trusted through it'],
  ])('%s', (_what, previous, words) => {
    expect(departureNote({ ...input, previous })).toContain(words);
  });
});

describe('an annotation that has served', () => {
  it('is taken off, if it still is what it was', async () => {
    const patches: unknown[] = [];
    const patch = (path: string, body: unknown): Promise<unknown> => Promise.resolve(patches.push([path, body]));
    await applyPeer(actions(patch), input, verdict, signal);
    const path = '/metadata/annotations/isthmus.dev~1accept-removal';
    const guarded = [
      { op: 'test', path, value: 'true' },
      { op: 'remove', path },
    ];
    expect(patches).toEqual([['/apis/isthmus.dev/v1alpha1/istiofederations/b', guarded]]);
  });

  it.each([
    [422, true],
    [403, false],
  ])('HTTP %i: forgiven, since it is another or gone by now: %s', async (status, forgiven) => {
    const error = kubeErrorFrom(status, '{}', { method: 'PATCH', path: '/x' });
    const applied = applyPeer(
      actions(() => Promise.reject(error)),
      input,
      verdict,
      signal,
    );
    expect(await applied.then(() => true).catch(() => false)).toBe(forgiven);
  });
});

describe('status', () => {
  const at = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000', '');
  const said = (lastAttempt: number, fetched: number, more: PeerStatus['documents'] = {}): PeerStatus => ({
    documents: { lastAttemptAt: at(lastAttempt), public: { fetchedAt: at(fetched), digest: 'x' }, ...more },
  });

  it.each<[string, PeerStatus | undefined, PeerStatus, boolean]>([
    ['the first', undefined, said(0, 0), true],
    ['the same', said(0, 0), said(0, 0), false],
    ['times within the minute', said(0, 0), said(59, 45), false],
    ['times after a minute', said(0, 0), said(60, 45), true],
    ['attempts alone, since the peer is silent', said(100, 0), said(160, 0), true],
    ['silence that begins', said(0, 0), said(1, 0, { silentSince: at(1) }), true],
    ['another document', said(0, 0), said(1, 1, { public: { fetchedAt: at(1), digest: 'y' } }), true],
  ])('is written, or not, for %s', async (_what, previous, status, written) => {
    let writes = 0;
    const client = { applyStatus: () => Promise.resolve((writes += 1)) };
    const looks: [string, number][] = [];
    const given = {
      ...{ client, pace: new StatusPace(), events: { write: () => undefined } },
      lookAgain: (key: string, ms: number) => looks.push([key, ms]),
    } as unknown as PeerActions;
    await writePeerStatus(given, { ...input, previous, now: 1000 }, status, signal);
    expect(looks).toEqual(written && previous !== undefined ? [['federation/b', 300]] : []);
    if (writes === 0) await writePeerStatus(given, { ...input, previous, now: 1300 }, status, signal);
    expect(writes).toBe(written ? 1 : 0);
  });
});
