/** What is written together, and what was left out so that it fits. */
export interface Fitting<Entry> {
  readonly kept: readonly Entry[];
  readonly left: readonly Entry[];
}

/** One Secret holds something of every peer: the largest are left out until the others fit. Pure. */
export function fitting<Entry extends { readonly key: string; readonly bytes: number }>(
  entries: readonly Entry[],
  fits: (kept: readonly Entry[]) => boolean,
): Fitting<Entry> {
  let kept = entries;
  const left: Entry[] = [];
  while (kept.length > 0 && !fits(kept)) {
    const largest = kept.reduce((a, b) => (isLarger(b, a) ? b : a));
    left.push(largest);
    kept = kept.filter((entry) => entry !== largest);
  }
  return { kept, left };
}

function isLarger<Entry extends { readonly key: string; readonly bytes: number }>(a: Entry, b: Entry): boolean {
  return a.bytes > b.bytes || (a.bytes === b.bytes && a.key > b.key);
}
