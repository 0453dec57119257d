/** One call of the load; times in Unix ms. */
export interface Call {
  readonly at: number;
  readonly answered: number;
  /** Cluster that answered. */
  readonly by?: string;
  readonly error?: string;
}

/** How calls moved between here and elsewhere after something happened; ms, negative = before it was seen. */
export interface Move {
  /** To the first answer from where calls went to. */
  readonly first: number;
  /** To the last answer that was not: all later ones were. */
  readonly all: number;
}

export function moveOf(calls: readonly Call[], since: number, arrived: (call: Call) => boolean): Move {
  const first = Math.min(...calls.filter(arrived).map(({ answered }) => answered));
  const last = Math.max(...calls.filter((call) => !arrived(call)).map(({ answered }) => answered));
  // Where no answer came from the old place any more, all came from the new one from the first.
  return { first: first - since, all: (Number.isFinite(last) ? last : first) - since };
}

export interface Errors {
  readonly calls: number;
  readonly errors: number;
  readonly kinds: Readonly<Record<string, number>>;
}

export function errorsOf(calls: readonly Call[]): Errors {
  const kinds: Record<string, number> = {};
  for (const { error } of calls) if (error !== undefined) kinds[error] = (kinds[error] ?? 0) + 1;
  return { calls: calls.length, errors: Object.values(kinds).reduce((sum, count) => sum + count, 0), kinds };
}
