import { describe, expect, it } from '@jest/globals';
import { NameTableSchema } from '#proto-gen/istio/networking/nds/v1/nds_pb';
import { decoded } from './consistency.js';
import { echo, headless, imported, outside } from './model.fixture.js';
import { nameTableFor } from './name-table.js';

describe('nameTableFor', () => {
  it('names Services by virtual address, pods of headless ones, imports in full, and nothing without address', () => {
    const { table } = decoded(NameTableSchema, nameTableFor([outside, imported, headless, echo]));
    const told = Object.entries(table).map(([host, { ips, registry, shortname, namespace }]) => [
      host,
      ips,
      registry,
      shortname,
      namespace,
    ]);
    expect(told).toEqual([
      ['db.demo.svc.cluster.a', ['10.1.0.7'], 'Kubernetes', 'db', 'demo'],
      ['echo.demo.svc.cluster.a', ['10.96.0.10'], 'Kubernetes', 'echo', 'demo'],
      ['shop.store.svc.cluster.b', ['240.240.0.1'], 'External', '', ''],
    ]);
  });
});
