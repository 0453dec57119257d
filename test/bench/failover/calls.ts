/** One call of the load; times in Unix ms. */
export interface Call {
  readonly at: number;
  readonly answered: number;
  /** Cluster that answered. */
  readonly by?: string;
  readonly error?: string;
}

/** How calls moved from one place to another after something was seen; ms, negative = before it was seen. */
export interface Move {
  /** To the first answer from the new place. */
  readonly first: number;
  /** To the first answer after which all came from there. */
  readonly all: number;
  /** Of all these calls, ms. */
  readonly slowest: number;
}

export function moveOf(calls: readonly Call[], since: number, arrived: (call: Call) => boolean): Move {
  const there = calls.filter(arrived).map(({ answered }) => answered);
  const last = Math.max(...calls.filter((call) => !arrived(call)).map(({ answered }) => answered));
  const after = there.filter((answered) => answered > last);
  return {
    first: Math.min(...there) - since,
    // None after the last that came from elsewhere: they had not all moved when it was over.
    all: (after.length > 0 ? Math.min(...after) : last) - since,
    slowest: Math.max(...calls.map(({ at, answered }) => answered - at)),
  };
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
