import { readyCondition, REASONS } from '#crd';
import type { PeerStatus } from '#crd';
import type { EventToWrite } from '#kube';

type Conditions = NonNullable<PeerStatus['conditions']>;

const quiet: ReadonlySet<string> = new Set([REASONS.Succeeded, REASONS.Progressing]);

/**
 * What changed between two statuses as Events: `Ready` always, and once more when a revocation is done, since only then it is known what was cut; each
 * other condition that has something to say which `Ready` doesn't.
 */
export function statusEvents(before: PeerStatus | undefined, now: PeerStatus): readonly EventToWrite[] {
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
