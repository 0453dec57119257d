/** True when every label of the selector is on the workload; an empty selector selects all. */
export function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

interface Exported {
  readonly namespace: string;
  readonly exportTo: readonly string[];
}

/** True when an object is visible from a namespace (Istio's exportTo; an empty list means everywhere). */
export function visibleFrom(object: Exported, namespace: string): boolean {
  if (object.exportTo.length === 0 || object.namespace === namespace) return !object.exportTo.includes('~');
  return object.exportTo.some((target) => target === '*' || target === namespace);
}
