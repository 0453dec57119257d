import type { LabelSelector, LabelSelectorRequirement } from './object.js';

type Labels = Readonly<Record<string, string>>;

/** Kubernetes' label selector semantics; an empty selector matches everything. */
export function selectorMatches(selector: LabelSelector, labels: Labels | undefined): boolean {
  const have = labels ?? {};
  return (
    labelsMatch(selector.matchLabels, have) &&
    (selector.matchExpressions ?? []).every((requirement) => requirementHolds(requirement, have))
  );
}

/** True when every wanted label is there with that value; nothing wanted matches everything. */
export function labelsMatch(wanted: Labels | undefined, have: Labels | undefined): boolean {
  return Object.entries(wanted ?? {}).every(([key, value]) => have?.[key] === value);
}

function requirementHolds({ key, operator, values = [] }: LabelSelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}
