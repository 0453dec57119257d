import { describe, expect, it } from '@jest/globals';
import { descendants, parseStatus, productPart } from './process-table.js';

describe('parseStatus', () => {
  it('reads the parent and the ids of nested namespaces', () => {
    const text = 'Name:\tnode\nPPid:\t12\nNSpid:\t40\t7\t1\nThreads:\t1\n';
    expect(parseStatus(40, text)).toEqual({ pid: 40, parent: 12, nested: [40, 7, 1] });
  });

  it('has no answer for a process that is gone', () => {
    expect(parseStatus(40, '')).toBeUndefined();
  });
});

describe('descendants', () => {
  it('follows the whole tree and nothing beside it', () => {
    const entry = (pid: number, parent: number) => ({ pid, parent, nested: [pid] });
    const table = [entry(1, 0), entry(2, 1), entry(3, 2), entry(4, 3), entry(5, 1)];
    expect(
      descendants(table, 2)
        .map(({ pid }) => pid)
        .sort(),
    ).toEqual([3, 4]);
  });
});

describe('productPart', () => {
  it.each([
    ['node --enable-source-maps /r/dist/apps/controller/src/main.js', 'sh', 'controller'],
    ['/x/bin/node /r/dist/apps/metadata-api/src/main.js', 'sh', 'metadata-api'],
    ['/x/bin/node /r/dist/apps/mesh/src/main.js --xds-address :15012', 'sh', 'mesh'],
    ['unshare --pid --fork node /r/dist/apps/mesh/src/main.js', 'sh', undefined],
    ['/usr/local/bin/envoy -c etc/istio/proxy/envoy-rev.json', '/usr/local/bin/pilot-agent proxy router', 'gateway'],
    ['/usr/local/bin/envoy -c etc/istio/proxy/envoy-rev.json', '/usr/local/bin/pilot-agent proxy sidecar', undefined],
    ['/usr/local/bin/pilot-agent proxy router', 'sh', undefined],
    ['', '', undefined],
  ])('%s under %s', (line, parent, part) => {
    expect(productPart(line.split(' '), parent.split(' '))).toBe(part);
  });
});
