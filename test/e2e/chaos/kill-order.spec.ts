import { describe, expect, it } from '@jest/globals';
import { killOrder } from './kill-order.js';
import type { Kill } from './kill-order.js';
import { seededRandom } from './random.js';

const clusters = ['east', 'west'];
const victims = ['controller', 'metadata-api', 'mesh', 'etcd', 'kube-apiserver', 'postgres'] as const;
const seeds = Array.from({ length: 200 }, (_, seed) => seed);

function order(seed: number, kills: number): readonly Kill[] {
  return killOrder(clusters, victims, kills, seededRandom(seed));
}

const told = ({ cluster, victim }: Kill): string => `${cluster}/${victim}`;

describe('the order of kills', () => {
  it('has every victim in its first round, and in every cluster by the last, whatever the seed', () => {
    for (const seed of seeds) {
      const all = order(seed, 20);
      expect(all).toHaveLength(20);
      expect(
        all
          .slice(0, 6)
          .map(({ victim }) => victim)
          .sort(),
      ).toEqual([...victims].sort());
      expect(all.slice(0, 12).map(told).sort()).toEqual(
        clusters.flatMap((cluster) => victims.map((victim) => told({ cluster, victim }))).sort(),
      );
    }
  });

  it('is another for another seed and the same for the same', () => {
    expect(order(7, 200)).toEqual(order(7, 200));
    const orders = new Set(seeds.map((seed) => order(seed, 6).map(told).join(' ')));
    expect(orders.size).toBeGreaterThan(190);
  });

  it('begins in either cluster', () => {
    expect(new Set(seeds.map((seed) => order(seed, 1)[0]?.cluster))).toEqual(new Set(clusters));
  });

  it('stops after so many', () => {
    expect([0, 1, 12, 13].map((kills) => order(1, kills).length)).toEqual([0, 1, 12, 13]);
  });
});
