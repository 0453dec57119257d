import { describe, expect, it } from '@jest/globals';
import { kubeErrorFrom } from '#kube';
import { done } from '#reconcile';
import { federation } from '#testing';
import { nothingHeard } from '../peer-link/hearing.js';
import { applyPeer } from './apply.js';
import type { PeerActions } from './apply.js';
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
  return { client: { patch }, links: { remove: () => Promise.resolve() } } as unknown as PeerActions;
}

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
