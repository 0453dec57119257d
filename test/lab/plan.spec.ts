import { describe, expect, it } from '@jest/globals';
import { clusterName, clusterPlan } from './plan.js';

describe('clusterPlan', () => {
  it.each([
    [1, 'east'],
    [2, 'west'],
    [4, 'south'],
    [5, 'cluster-5'],
  ])('names cluster %i %s', (index, name) => {
    expect(clusterName(index)).toBe(name);
  });

  it('keeps the ranges of two clusters apart and their pods equal', () => {
    const [east, west] = [clusterPlan(1, '/lab', 1000), clusterPlan(2, '/lab', 1001)];
    expect(east).toMatchObject({
      apiAddress: '10.10.1.1',
      doorAddress: '10.10.1.10',
      trustDomain: 'east.example',
      directory: '/lab/east',
    });
    expect(west).toMatchObject({ apiAddress: '10.10.2.1', gatewayAddress: '10.10.2.11', network: 'network-west' });
  });
});
