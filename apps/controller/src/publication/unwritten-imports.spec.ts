import { describe, expect, it } from '@jest/globals';
import { objectIdentity } from '#kube';
import type { ApiObject } from '#kube';
import { UnwrittenImports } from './unwritten-imports.js';

const object = (kind: string, name: string): ApiObject =>
  ({ apiVersion: 'v1', kind, metadata: { namespace: 'i', name } }) as ApiObject;
const [entry, rule, other] = [object('ServiceEntry', 'a'), object('DestinationRule', 'a'), object('ServiceEntry', 'b')];

describe('imports that were not taken', () => {
  it('are counted by host, for each peer that offers them, with the first reason', () => {
    const unwritten = new UnwrittenImports();
    unwritten.failed(entry, 'federation/west,federation/north', new Error('HTTP 403'));
    unwritten.failed(rule, 'federation/west', new Error('later'));
    unwritten.failed(other, 'federation/west', new Error('later'));
    expect(Object.fromEntries(unwritten.perPeer())).toEqual({
      'federation/west': { services: 2, message: 'HTTP 403' },
      'federation/north': { services: 1, message: 'HTTP 403' },
    });
    unwritten.written(entry);
    unwritten.keepOnly(new Set([objectIdentity(other)]));
    expect(Object.fromEntries(unwritten.perPeer())).toEqual({ 'federation/west': { services: 1, message: 'later' } });
  });

  it('come after what was not tried yet', () => {
    const unwritten = new UnwrittenImports();
    unwritten.failed(entry, 'federation/west', new Error('no'));
    expect(unwritten.last([entry, rule, other])).toEqual([rule, other, entry]);
  });
});
