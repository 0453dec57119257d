/** What the first good one of up to so many rounds gave, else the last: a busy machine spoils some of them, a fault all. */
export async function inRounds<T>(rounds: number, isGood: (found: T) => boolean, round: () => Promise<T>): Promise<T> {
  let found = await round();
  for (let more = 1; more < rounds && !isGood(found); more += 1) found = await round();
  return found;
}

/** The least of up to so many measurements, the last of which is the first below `enough`. */
export async function leastOf(rounds: number, enough: number, measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  const isEnough = (found: number): boolean => found < enough;
  await inRounds(rounds, isEnough, async () => (least = Math.min(least, await measure())));
  return least;
}
