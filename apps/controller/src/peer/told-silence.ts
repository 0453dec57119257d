import type { PeerStatus } from '#crd';
import { failed } from '#peer-client';
import { nothingHeard } from '../peer-link/hearing.js';
import type { Hearing } from '../peer-link/hearing.js';

/** What status tells of a peer's silence, for a process that does not listen to the peer itself. */
export function hearingFromStatus(status: PeerStatus | undefined): Hearing {
  const since = status?.documents?.silentSince;
  if (since === undefined) return staleContent(status) ? { mode: 'none', answersSince: 0, privateAt: 0 } : nothingHeard;
  const publicFailure = failed('Unreachable', `silent since ${since}, as the leader says`);
  return { mode: 'none', publicFailure, lastContact: Date.parse(since) };
}

/** The peer answers, and has nothing newer than a private document that ended. */
function staleContent(status: PeerStatus | undefined): boolean {
  const synced = status?.conditions?.find(({ type }) => type === 'MetadataSynced');
  return synced?.reason === 'StaleKeepingLastKnownGood';
}
