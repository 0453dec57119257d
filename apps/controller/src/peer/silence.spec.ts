import { describe, expect, it } from '@jest/globals';
import type { PeerStatus } from '#crd';
import { failed } from '#peer-client';
import type { PeerMemory } from '#trust';
import { heardFailure, heardNothingNew, heardPrivate, heardPublic, nothingHeard } from '../peer-link/hearing.js';
import type { Hearing } from '../peer-link/hearing.js';
import { endedDocuments, silenceOf } from './silence.js';

const hour = 3_600_000;
/** When both documents came; they end an hour later. */
const taken = 1_800_000_000_000;
const end = taken + hour;
const skew = 30_000;
const nothingWaits = { public: false, private: false };
const down = failed('Unreachable', 'https://b: connection refused');
const refused = failed('TokenRejected', '401', 401);

function memory(ends: { readonly open?: number; readonly closed?: number } = { open: end, closed: end }): PeerMemory {
  const document = { seq: 1, fetchedAt: taken, changedAt: taken, digest: 'x' };
  return {
    version: 1,
    facts: {
      ...{ clusterUUID: 'b', trustDomain: 'b.x', clusterDomain: 'b.x', roots: [], keys: [], crls: [], seq: 1 },
      signed: ends.open !== undefined,
      ...(ends.open === undefined ? {} : { expiresAt: ends.open }),
    },
    firstContact: 'Blind',
    firstContactAt: taken,
    publicDocument: document,
    privateDocument: { ...document, body: '{}', ...(ends.closed === undefined ? {} : { expiresAt: ends.closed }) },
  };
}

const met = heardPrivate(heardPublic(nothingHeard, { body: '{}', at: taken }), { body: '{}', at: taken });

/** What a status says in one condition. */
function told(type: string, reason: string): PeerStatus {
  const lastTransitionTime = new Date(end).toISOString();
  const condition = {
    type,
    status: 'False' as const,
    reason,
    message: reason,
    lastTransitionTime,
    observedGeneration: 1,
  };
  return { conditions: [condition] };
}

/** A peer that answers 304 to everything, last at this time. */
function unchangedUntil(at: number, hearing: Hearing = met): Hearing {
  return heardNothingNew(heardNothingNew(hearing, 'public', at), 'private', at);
}

describe('how long a peer has been silent', () => {
  it('is nothing while it answers and its documents hold, to within the skew that clocks are forgiven', () => {
    for (const now of [taken, end, end + skew])
      expect(silenceOf(unchangedUntil(now), memory(), undefined, now)).toMatchObject({
        silentMs: 0,
        contentSilentMs: 0,
      });
  });

  it('counts from the end of a document that answers without news go on confirming', () => {
    const now = end + skew + 1;
    expect(silenceOf(unchangedUntil(now), memory(), undefined, now)).toEqual({
      silentMs: skew + 1,
      contentSilentMs: skew + 1,
    });
  });

  it('is looked at again when the first document ends', () => {
    const now = end - 10_000;
    const { endsInMs = 0 } = silenceOf(unchangedUntil(now), memory({ open: end + hour, closed: end }), undefined, now);
    expect(endsInMs).toBe(10_000 + skew + 1);
    const then = now + endsInMs;
    expect(
      endedDocuments({ hearing: unchangedUntil(then), previous: undefined, now: then }, memory(), nothingWaits),
    ).toEqual({ public: end, private: end });
  });

  it('of a private document that ended costs its services alone: trust is what a newer one is asked by', () => {
    const now = end + hour;
    const ended = memory({ open: now + hour, closed: end });
    expect(silenceOf(unchangedUntil(now), ended, undefined, now)).toMatchObject({ silentMs: 0, contentSilentMs: hour });
  });

  it('is nothing of a peer that refuses our token, however old its private document is', () => {
    const now = end + hour;
    const hearing = heardFailure(unchangedUntil(now), 'private', refused, now);
    expect(silenceOf(hearing, memory({ open: now + hour, closed: end }), undefined, now).contentSilentMs).toBe(0);
  });

  it('is not shortened when a peer whose documents ended no longer answers at all', () => {
    const now = end + hour;
    const hearing = heardFailure(unchangedUntil(now - 5_000), 'public', down, now);
    expect(silenceOf(hearing, memory(), undefined, now).silentMs).toBe(hour);
  });

  it('counts no end of documents while we have only just begun to listen: a newer one may be read next', () => {
    const now = end + hour;
    const begun = unchangedUntil(now, nothingHeard);
    expect(silenceOf(begun, memory(), undefined, now)).toEqual({ silentMs: 0, contentSilentMs: 0, endsInMs: 15_000 });
    const later = now + 15_000;
    expect(silenceOf(unchangedUntil(later, begun), memory(), undefined, later).silentMs).toBe(later - end);
  });

  it.each(['KeyChangedPendingApproval', 'RootChangedPendingApproval'])(
    'is nothing while a newer document of it waits, for as long as one is signed for: %s',
    (reason) => {
      const came = end + hour;
      const answered = heardPublic(met, { body: '{"newer":1}', at: came });
      const waits = told('TrustEstablished', reason);
      for (const now of [came, came + hour])
        expect(silenceOf(unchangedUntil(now, answered), memory(), waits, now)).toMatchObject({
          silentMs: 0,
          contentSilentMs: 0,
        });
      const { endsInMs } = silenceOf(unchangedUntil(came, answered), memory(), waits, came);
      expect(endsInMs).toBe(hour + 1);
      const over = came + hour + 1;
      expect(silenceOf(unchangedUntil(over, answered), memory(), waits, over).silentMs).toBe(over - end);
    },
  );

  it('runs from the end although it shows something else that is refused: an old answer, another cluster', () => {
    const now = end + hour;
    const answered = heardPublic(met, { body: '{"other":1}', at: now });
    const refusal = told('TrustEstablished', 'SignatureInvalid');
    expect(silenceOf(unchangedUntil(now, answered), memory(), refusal, now).silentMs).toBe(hour);
  });

  it('is nothing of its services while the removal brake holds a newer private document', () => {
    const now = end + hour;
    const iso = new Date(now).toISOString();
    const held = { removalHeld: { since: iso, until: iso, services: 12 } };
    const open = memory({ open: now + hour, closed: end });
    expect(silenceOf(unchangedUntil(now), open, held, now).contentSilentMs).toBe(0);
  });

  describe('to a leader, or on a link, that has only just begun to listen', () => {
    const now = end + hour;
    const begun = unchangedUntil(now, nothingHeard);
    const iso = new Date(end).toISOString();
    const silent = { documents: { silentSince: iso } };

    it('goes on where it was told: neither the change nor an old answer repeated gives trust back', () => {
      expect(silenceOf(nothingHeard, memory(), silent, now).silentMs).toBe(hour);
      expect(silenceOf(begun, memory(), silent, now).silentMs).toBe(hour);
    });

    it('is over with its first answer where its documents hold, or with a newer one', () => {
      const holds = memory({ open: now + hour, closed: now + hour });
      expect(silenceOf(begun, holds, silent, now)).toMatchObject({ silentMs: 0, contentSilentMs: 0 });
    });

    it('goes on of its services alone where that was told of its private document', () => {
      const open = memory({ open: now + hour, closed: end });
      const stale = told('MetadataSynced', 'StaleKeepingLastKnownGood');
      for (const hearing of [nothingHeard, begun])
        expect(silenceOf(hearing, open, stale, now)).toMatchObject({ silentMs: 0, contentSilentMs: hour });
    });
  });

  it('has no such end where the peer does not sign', () => {
    const now = end + 1000 * hour;
    expect(silenceOf(unchangedUntil(now), memory({}), undefined, now)).toEqual({ silentMs: 0, contentSilentMs: 0 });
  });

  it('begins with the first attempt in vain, or after a while without a word', () => {
    const fresh = memory({ open: end + hour, closed: end + hour });
    expect(silenceOf(heardFailure(met, 'public', down, taken + 1000), fresh, undefined, taken + 1000).silentMs).toBe(
      1000,
    );
    expect(silenceOf(met, fresh, undefined, taken + 45_000).silentMs).toBe(0);
    expect(silenceOf(met, fresh, undefined, taken + 46_000).silentMs).toBe(46_000);
    expect(silenceOf(nothingHeard, fresh, undefined, taken + 46_000).silentMs).toBe(0);
  });
});
