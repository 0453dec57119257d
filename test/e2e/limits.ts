/** Of a hook or case with whole clusters, by `jest.setTimeout`: a last resort. What it waits for has shorter bounds, which say what was missing. */
export const caseLimitMs = 600_000;
