/** The least of up to so many measurements, the last of which is the first below `enough`: a busy machine holds up some of them, a fault all. */
export async function leastOf(rounds: number, enough: number, measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds && least >= enough; round += 1) least = Math.min(least, await measure());
  return least;
}
