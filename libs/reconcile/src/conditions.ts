import { readyCondition, REASONS } from '#crd';
import type { ConditionRule, ConditionTable } from '#crd';
import type { Condition } from '#istio-api';
import type { Result } from './result.js';

/** A condition as a `status` phase judges it; times and generation are added by `finaliseConditions`. */
export interface Judgement {
  readonly type: string;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

export interface FinaliseInput {
  readonly table: ConditionTable;
  readonly judged: readonly Judgement[];
  /** Conditions now in the object's status; foreign ones are left to their owners. */
  readonly previous: readonly Condition[];
  readonly generation: number;
  /** Unix milliseconds. */
  readonly now: number;
  /** What the reconcile answered; absent when it failed. */
  readonly next?: Result | undefined;
  readonly failure?: Error | undefined;
}

/** Kubernetes' limit for `message`. */
const longestMessage = 32_768;

/**
 * Our conditions as they are written: `Ready` first, then in the table's order. A transition time moves only when the
 * condition's status changes. Throws when a judgement is not in the table or comes twice: that is a programming error.
 */
export function finaliseConditions(input: FinaliseInput): readonly Condition[] {
  const inOrder = ordered(input.table, input.judged);
  return [summarise(input, inOrder), ...inOrder].map((judgement) => stamped(judgement, input));
}

export function good(type: string, reason: string, message: string): Judgement {
  return { type, status: 'True', reason, message };
}

export function bad(type: string, reason: string, message: string): Judgement {
  return { type, status: 'False', reason, message };
}

export function unknown(type: string, reason: string, message: string): Judgement {
  return { type, status: 'Unknown', reason, message };
}

function ordered(table: ConditionTable, judged: readonly Judgement[]): readonly Judgement[] {
  const byType = new Map(judged.map((judgement) => [judgement.type, judgement]));
  if (byType.size !== judged.length) throw new Error('a condition was judged twice in one reconcile');
  const foreign = judged.find(({ type }) => !table.some((rule) => rule.type === type));
  if (foreign !== undefined) throw new Error(`condition ${foreign.type} is not in the kind's condition table`);
  return table.flatMap(({ type }) => byType.get(type) ?? []);
}

/** Failure first, then the first bad condition, then a stalled result, then the first unknown one, then waiting. */
function summarise({ table, failure, next }: FinaliseInput, judged: readonly Judgement[]): Judgement {
  const counted = judged.filter(({ type }) => ruleOf(table, type)?.summarised === true);
  const isBad = (j: Judgement): boolean =>
    j.status === (ruleOf(table, j.type)?.polarity === 'negative' ? 'True' : 'False');
  const firstBad = counted.find(isBad);
  if (failure !== undefined) return bad(readyCondition, REASONS.ReconcileFailed, failure.message);
  if (firstBad !== undefined) return bad(readyCondition, firstBad.reason, `${firstBad.type}: ${firstBad.message}`);
  if (next?.kind === 'stalled') return bad(readyCondition, next.reason, next.message);
  const open = counted.find(({ status }) => status === 'Unknown');
  if (open !== undefined) return unknown(readyCondition, open.reason, `${open.type}: ${open.message}`);
  if (next?.kind === 'waiting') return unknown(readyCondition, next.reason, next.message);
  if (counted.length === 0) return unknown(readyCondition, REASONS.Progressing, 'nothing has been judged yet');
  return good(readyCondition, REASONS.Succeeded, 'all conditions are good');
}

function ruleOf(table: ConditionTable, type: string): ConditionRule | undefined {
  return table.find((rule) => rule.type === type);
}

function stamped(judgement: Judgement, { previous, generation, now }: FinaliseInput): Condition {
  const before = previous.find(({ type }) => type === judgement.type);
  const lastTransitionTime =
    before !== undefined && before.status === judgement.status
      ? before.lastTransitionTime
      : new Date(now).toISOString().replace(/\.\d{3}Z$/, 'Z');
  const message = judgement.message.trim().slice(0, longestMessage);
  const { type, status, reason } = judgement;
  return { type, status, reason, message, lastTransitionTime, observedGeneration: generation };
}
