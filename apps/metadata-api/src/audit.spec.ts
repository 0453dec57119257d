import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { TrustedPeer } from '#model';
import type { AuditLog, AuditRow } from '#store';
import { Auditor, summaryAction, summaryAfterMs } from './audit.js';

const peer = { kind: 'IstioFederation', name: 'b', clusterUUID: 'u-b' } as TrustedPeer;
const start = Date.UTC(2026, 0, 1);

describe('Auditor', () => {
  beforeEach(() => void jest.useFakeTimers({ now: start }));
  afterEach(() => void jest.useRealTimers());

  function auditor() {
    const rows: AuditRow[] = [];
    let skipped = 0;
    const log: Pick<AuditLog, 'append'> = { append: (more) => void rows.push(...more) };
    const counter = { auditUnidentified: { inc: () => (skipped += 1) } };
    const made = new Auditor(log as AuditLog, counter as never, Date.now);
    const refuse = (times: number, status: number, detail: string | undefined, sourceAddress = '10.0.0.1'): void => {
      for (let i = 0; i < times; i += 1)
        made.note({ peer: undefined, action: 'GET /x', status, detail, sourceAddress });
    };
    const sums = (): readonly AuditRow[] => rows.filter(({ action }) => action === summaryAction);
    return { made, rows, refuse, sums, skipped: () => skipped };
  }

  it('writes a row for each request of a peer, however many', () => {
    const { made, rows } = auditor();
    for (let i = 0; i < 1_000; i += 1)
      made.note({ peer, action: 'GET /x', status: 200, detail: 'seq=1', sourceAddress: '10.0.0.1' });
    expect(rows).toHaveLength(1_000);
    expect(rows[0]).toMatchObject({ peer: 'federation/b', peerUUID: 'u-b', at: new Date(start) });
  });

  it('sums up, by status, what strangers were refused beyond the limit', () => {
    const { rows, refuse, sums, skipped } = auditor();
    refuse(100, 401, 'no-token');
    refuse(30, 401, 'no-token');
    refuse(12, 401, 'signature');
    refuse(3, 400, undefined);
    refuse(1, 400, 'token', '10.0.0.2');
    expect([rows.length, skipped()]).toEqual([100, 46]);
    jest.advanceTimersByTime(summaryAfterMs);
    expect(rows).toHaveLength(102);
    const since = '2026-01-01T00:00:00.000Z';
    const at = new Date(start + summaryAfterMs);
    expect(sums()).toEqual([
      {
        at,
        action: summaryAction,
        status: 401,
        detail: `42 more since ${since}: no-token 30, signature 12`,
        sourceAddress: '10.0.0.1',
      },
      {
        at,
        action: summaryAction,
        status: 400,
        detail: `4 more since ${since}: no reason 3, token 1`,
        sourceAddress: undefined,
      },
    ]);
  });

  it('counts each refusal once, and writes nothing while there is nothing to sum up', () => {
    const { rows, refuse, sums } = auditor();
    refuse(100, 401, 'no-token');
    jest.advanceTimersByTime(10 * summaryAfterMs);
    expect(rows).toHaveLength(100);
    refuse(101, 401, 'no-token');
    jest.advanceTimersByTime(10 * summaryAfterMs);
    refuse(102, 401, 'no-token');
    jest.advanceTimersByTime(10 * summaryAfterMs);
    expect(sums().map(({ detail }) => detail?.split(' ')[0])).toEqual(['1', '2']);
  });

  it('leaves nothing unsaid when the door drains', () => {
    const { made, refuse, sums } = auditor();
    refuse(101, 401, 'no-token');
    made.sumUp();
    made.sumUp();
    jest.advanceTimersByTime(summaryAfterMs);
    expect(sums()).toHaveLength(1);
  });
});
