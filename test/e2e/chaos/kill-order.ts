import { pick } from './random.js';

/** One process of one cluster, to be killed. */
export interface Kill<Victim extends string = string> {
  readonly cluster: string;
  readonly victim: Victim;
}

/**
 * What is killed in which order: by the first round every victim has been killed once, in a cluster chosen by chance, by the last of as many
 * rounds as there are clusters every victim in every cluster; what follows is chance alone. Orders are the generator's throughout. Pure.
 */
export function killOrder<Victim extends string>(
  clusters: readonly string[],
  victims: readonly Victim[],
  kills: number,
  random: () => number,
): readonly Kill<Victim>[] {
  const whereOf = new Map(victims.map((victim) => [victim, shuffled(clusters, random)]));
  const rounds = clusters.flatMap((_, round) =>
    shuffled(victims, random).map((victim) => ({ cluster: whereOf.get(victim)?.[round] ?? '', victim })),
  );
  const more = Array.from({ length: Math.max(0, kills - rounds.length) }, () => ({
    cluster: pick(clusters, random),
    victim: pick(victims, random),
  }));
  return [...rounds, ...more].slice(0, kills);
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: () => number): readonly T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(Math.floor(random() * left.length), 1));
}
