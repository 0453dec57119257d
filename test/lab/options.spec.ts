import { describe, expect, it } from '@jest/globals';
import { parseCommandLine } from './options.js';

describe('parseCommandLine', () => {
  it('starts two federated clusters by default', () => {
    expect(parseCommandLine([])).toEqual({
      options: { clusters: 2, multicluster: false, peers: true, replicas: 1, values: [], upTo: 'workloads' },
      help: false,
    });
  });

  it('takes every flag', () => {
    const line =
      '--clusters 3 --no-peers --replicas 2 --values a.yaml --values b.yaml --json /tmp/lab.json --up-to product';
    expect(parseCommandLine(line.split(' '))).toEqual({
      options: {
        clusters: 3,
        multicluster: false,
        peers: false,
        replicas: 2,
        values: ['a.yaml', 'b.yaml'],
        upTo: 'product',
      },
      json: '/tmp/lab.json',
      help: false,
    });
  });

  it('starts three with --multicluster', () => {
    expect(parseCommandLine(['--multicluster']).options).toMatchObject({ clusters: 3, multicluster: true });
  });

  it.each([
    [['--clusters', '0'], /--clusters 0: give a whole number from 1 to 20/],
    [['--clusters', 'two'], /--clusters two/],
    [['--replicas', '1.5'], /--replicas 1.5/],
    [['--up-to', 'moon'], /--up-to moon: give one of clusters, product, workloads/],
    [['--bogus'], /bogus/],
  ])('refuses %j', (args, message) => {
    expect(() => parseCommandLine(args)).toThrow(message);
  });
});
