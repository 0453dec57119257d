import { readyCondition, REASONS } from '#crd';
import type { PeerStatus } from '#crd';
import type { EventToWrite } from '#kube';
import { counted } from '#model';

type Conditions = NonNullable<PeerStatus['conditions']>;

type Findings = NonNullable<PeerStatus['findings']>;

/** What two clusters, or two resources, claim against each other. */
const conflicts: ReadonlySet<string> = new Set([
  REASONS.PortConflict,
  REASONS.DomainConflict,
  REASONS.TrustDomainConflict,
  REASONS.UUIDConflict,
  REASONS.SharedRoot,
]);
/** Conflicts that come at once are told one by one up to so many; the others are counted. */
const mostConflictsTold = 10;

const quiet: ReadonlySet<string> = new Set([REASONS.Succeeded, REASONS.Progressing]);

/**
 * What changed between two statuses as Events: `Ready` always, and once more when a revocation is done, since only then it is known what was cut; each
 * other condition that has something to say which `Ready` doesn't; each new conflict, since a condition names only the first of them.
 */
export function statusEvents(before: PeerStatus | undefined, now: PeerStatus): readonly EventToWrite[] {
  const turned = conditionEvents(before, now);
  return [...turned, ...conflictEvents(before?.findings ?? [], now.findings ?? [], turned)];
}

function conflictEvents(before: Findings, now: Findings, told: readonly EventToWrite[]): readonly EventToWrite[] {
  const known = new Set(before.map(noteOf));
  const news = now
    .filter(({ reason }) => conflicts.has(reason))
    .map((finding) => ({ reason: finding.reason, note: noteOf(finding) }))
    .filter(({ note }) => !known.has(note) && !told.some((event) => event.note.includes(note)));
  const left = news.slice(mostConflictsTold);
  const more = `${counted(left.length, 'more conflict')}, see status.findings`;
  const events = [
    ...news.slice(0, mostConflictsTold),
    ...left.slice(0, 1).map(({ reason }) => ({ reason, note: more })),
  ];
  return events.map((event) => ({ type: 'Warning', action: 'Reconcile', ...event }));
}

/** As a condition tells it. */
function noteOf({ subject, message }: Findings[number]): string {
  return subject === undefined ? message : `${subject}: ${message}`;
}

function conditionEvents(before: PeerStatus | undefined, now: PeerStatus): readonly EventToWrite[] {
  const ready = find(now.conditions, readyCondition);
  const cutNow = before?.revocation === undefined && now.revocation !== undefined;
  return (now.conditions ?? []).flatMap(({ type, status, reason, message }): EventToWrite[] => {
    const old = find(before?.conditions, type);
    if (old?.status === status && old.reason === reason && !(cutNow && type === readyCondition)) return [];
    const common = { reason, action: 'Reconcile', note: message };
    if (type === readyCondition) return [{ ...common, type: status === 'False' ? 'Warning' : 'Normal' }];
    return quiet.has(reason) || reason === ready?.reason ? [] : [{ ...common, type: 'Warning' }];
  });
}

function find(conditions: Conditions | undefined, wanted: string): Conditions[number] | undefined {
  return conditions?.find(({ type }) => type === wanted);
}
