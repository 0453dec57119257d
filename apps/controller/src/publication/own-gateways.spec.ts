import { describe, expect, it } from '@jest/globals';
import type { ConfigMap } from '#istio-api';
import { GatewayBook } from './own-gateways.js';
import type { OwnGatewayFacts, OwnGateways } from './own-gateways.js';

const [base, wished] = ['192.0.2.1:15443', '[2001:db8::2]:15443'];
const cluster = (wish?: string): ConfigMap => ({
  metadata: {
    name: 'isthmus-cluster',
    annotations: wish === undefined ? {} : { 'isthmus.dev/gateway-addresses': wish },
  },
});

function facts(now: number, over: Partial<OwnGatewayFacts> = {}): OwnGatewayFacts {
  const override = [{ address: '192.0.2.1', port: 15443 }];
  return {
    now,
    announceMs: 100,
    namespace: 'n',
    nodes: [],
    pods: [],
    override,
    cluster: cluster(),
    stored: undefined,
    ...over,
  };
}

const told = ({ addresses }: OwnGateways): readonly string[] =>
  addresses.map(({ address, port }) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`));
const report = ({ kept }: OwnGateways): unknown => JSON.parse(kept?.data?.['rotation.json'] ?? 'null');

describe('where our gateways are', () => {
  it('says the annotation while it is there, the chart again when it is taken away', () => {
    const book = new GatewayBook();
    expect(told(book.tell(facts(0)))).toEqual([base]);
    const both = book.tell(facts(1_000, { cluster: cluster(wished) }));
    expect([told(both), both.changesInMs]).toEqual([[base, wished], 100]);
    expect(told(book.tell(facts(1_100, { cluster: cluster(wished) })))).toEqual([wished]);
    expect(told(book.tell(facts(2_000)))).toEqual([base, wished]);
    expect(told(book.tell(facts(2_100)))).toEqual([base]);
  });

  it('is kept over restarts: another leader goes on where the last one was', () => {
    const first = new GatewayBook();
    first.tell(facts(0));
    const { kept: stored } = first.tell(facts(1_000, { cluster: cluster(wished) }));
    const again = facts(1_050, { cluster: cluster(wished), stored });
    expect(told(new GatewayBook().tell(again))).toEqual([base, wished]);
    expect(told(new GatewayBook().tell({ ...again, now: 1_100 }))).toEqual([wished]);
  });

  it.each([
    ['is not readable', cluster('192.0.2.9')],
    ['cannot be seen for a moment', undefined],
  ])('stays as it was wished while the wish %s', (_why, unclear) => {
    const book = new GatewayBook();
    book.tell(facts(0));
    book.tell(facts(1_000, { cluster: cluster(wished) }));
    const now = book.tell(facts(2_000, { cluster: unclear }));
    expect(told(now)).toEqual([wished]);
    if (unclear === undefined) expect(now.kept).toBeUndefined();
    else
      expect(report(now)).toMatchObject({
        phase: 'refused',
        message: expect.stringContaining('"192.0.2.9" is no host:port'),
      });
  });

  it.each([
    '',
    'null',
    '[]',
    '{"source":"values","wanted":[{"address":"x","since":1}],"leaving":[]}',
    '{"source":"you"}',
    // A list where one address is expected, which the annotation allows and the record does not.
    '{"source":"annotation","wanted":[{"address":"a.example:1,b.example:2","since":1}],"leaving":[]}',
  ])('is what is wanted now where the record says nothing: %j', (text) => {
    const stored: ConfigMap = { metadata: { name: 'isthmus-gateways' }, data: { 'told.json': text } };
    expect(told(new GatewayBook().tell(facts(0, { stored })))).toEqual([base]);
  });

  it('goes on over restarts with an address of the chart that the annotation would refuse', () => {
    const loopback = [{ address: '127.0.0.1', port: 15443 }];
    const { kept: stored } = new GatewayBook().tell(facts(0, { override: loopback }));
    expect(told(new GatewayBook().tell(facts(1_000, { stored })))).toEqual(['127.0.0.1:15443', base]);
  });

  it('is a finding where there are more addresses than peers are told, with how many they are', () => {
    const many = Array.from({ length: 33 }, (_x, at) => ({ address: `192.0.2.${at + 1}`, port: 15443 }));
    const { addresses, findings } = new GatewayBook().tell(facts(0, { override: many }));
    expect(addresses).toHaveLength(32);
    expect(findings).toEqual([
      { reason: 'TooManyGateways', message: expect.stringMatching(/^32 of 33 .*gateway\.addresses/) },
    ]);
    expect(new GatewayBook().tell(facts(0, { override: many.slice(1) })).findings).toEqual([]);
  });

  it('is a finding while nobody knows an address', () => {
    const { addresses, findings } = new GatewayBook().tell(facts(0, { override: [] }));
    expect([addresses, findings]).toEqual([[], [expect.objectContaining({ reason: 'NoGateways' })]]);
  });
});
