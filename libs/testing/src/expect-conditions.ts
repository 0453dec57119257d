import type { ConditionTable } from '#crd';
import type { Condition } from '#istio-api';

/** Numbered invariants of a status (each is worth a line in a failing test): empty = all hold. */
export function conditionFaults(
  table: ConditionTable,
  conditions: readonly Condition[],
  generation: number,
): readonly string[] {
  const types = conditions.map(({ type }) => type);
  const ready = conditions.find(({ type }) => type === 'Ready');
  return [
    ...when(ready === undefined, 'C1 Ready is missing'),
    ...when(new Set(types).size !== types.length, 'C2 a condition stands twice'),
    ...types.flatMap((type) =>
      when(type !== 'Ready' && !table.some((rule) => rule.type === type), `C3 ${type} is not in the table`),
    ),
    ...conditions.flatMap((condition) => wordFaults(condition)),
    ...conditions.flatMap(({ type, observedGeneration }) =>
      when(
        observedGeneration !== generation,
        `C7 ${type} observed generation ${observedGeneration}, not ${generation}`,
      ),
    ),
    ...when(
      ready?.status === 'True' && badOnes(table, conditions).length > 0,
      `C8 Ready in spite of ${badOnes(table, conditions).join(', ')}`,
    ),
  ];
}

/** Throws with every broken invariant; called at the end of reconcile specs. */
export function expectConditions(table: ConditionTable, conditions: readonly Condition[], generation: number): void {
  const faults = conditionFaults(table, conditions, generation);
  if (faults.length > 0) throw new Error(`conditions break their invariants:\n  ${faults.join('\n  ')}`);
}

function wordFaults({ type, reason, message, lastTransitionTime }: Condition): readonly string[] {
  return [
    ...when(!/^[A-Za-z][A-Za-z0-9]*$/.test(reason), `C4 ${type} has the reason ${JSON.stringify(reason)}`),
    ...when(message === '' || message !== message.trim(), `C5 ${type} has an empty or untrimmed message`),
    ...when(
      !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(lastTransitionTime),
      `C6 ${type} changed at ${lastTransitionTime}`,
    ),
  ];
}

function badOnes(table: ConditionTable, conditions: readonly Condition[]): readonly string[] {
  return table
    .filter(({ type, summarised, polarity }) => {
      const status = conditions.find((condition) => condition.type === type)?.status;
      return summarised && status !== undefined && status !== (polarity === 'positive' ? 'True' : 'False');
    })
    .map(({ type }) => type);
}

function when(broken: boolean, text: string): readonly string[] {
  return broken ? [text] : [];
}
