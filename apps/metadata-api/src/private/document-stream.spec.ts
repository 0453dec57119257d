import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { PeerStanding } from '../documents/knowledge.js';
import { servedDocument } from '../documents/served-document.js';
import type { ServedDocument } from '../documents/served-document.js';
import { DocumentStream, heartbeatMs, StreamRegister, stuckMs } from './document-stream.js';

/** A response whose reader can be slow. */
class SlowResponse extends EventEmitter {
  readonly written: string[] = [];
  full = false;
  ended = false;
  cut = false;

  writeHead(): this {
    return this;
  }
  flushHeaders(): void {}
  write(text: string): boolean {
    this.written.push(text);
    return !this.full;
  }
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.ended = true;
    this.cut = true;
  }
}

function stream(over: { lifeMs?: number; lastEventId?: string } = {}) {
  const response = new SlowResponse();
  const state: { document: ServedDocument | undefined; standing: PeerStanding; tell: () => void; listening: number } = {
    document: servedDocument(Buffer.from('{"v":1}'), '1'),
    standing: 'trusted',
    tell: () => undefined,
    listening: 0,
  };
  const sent: string[] = [];
  const made = new DocumentStream({
    response: response as unknown as ServerResponse,
    current: () => state.document,
    onChange: (listener) => {
      state.tell = listener;
      state.listening += 1;
      return () => (state.listening -= 1);
    },
    standing: () => state.standing,
    lastEventId: over.lastEventId,
    lifeMs: over.lifeMs ?? 60_000,
    onSent: ({ seq }) => sent.push(seq),
  });
  const change = (seq: string): void => {
    state.document = servedDocument(Buffer.from(`{"v":${seq}}`), seq);
    state.tell();
  };
  return { made, response, state, sent, change };
}

describe('DocumentStream', () => {
  it('sends the current document, then each new one once', () => {
    const { made, response, sent, change, state } = stream();
    change('2');
    state.tell();
    expect(sent).toEqual(['1', '2']);
    expect(response.written[1]).toBe('event: document\nid: 1\ndata: {"v":1}\n\n');
    made.end('over');
  });

  it('sends nothing that the reader has', () => {
    const { made, sent } = stream({ lastEventId: '1' });
    expect(sent).toEqual([]);
    made.end('over');
  });

  it('lets nothing pile up for a slow reader: it gets the newest afterwards', () => {
    const { made, response, sent, change } = stream();
    response.full = true;
    change('2');
    change('3');
    change('4');
    expect(sent).toEqual(['1', '2']);
    response.full = false;
    response.emit('drain');
    expect(sent).toEqual(['1', '2', '4']);
    made.end('over');
  });

  it.each([
    ['trust', 'untrusted', 'untrusted'],
    ['a key', 'rekeyed', 'over'],
  ] as const)('ends as soon as %s is gone, before it sends anything more: %s is %s', async (_what, standing, end) => {
    const { made, sent, change, state, response } = stream();
    state.standing = standing;
    change('2');
    expect(await made.ended).toBe(end);
    expect([sent, response.ended, state.listening]).toEqual([['1'], true, 0]);
  });

  it('ends within its life', async () => {
    expect(await stream({ lifeMs: 100 }).made.ended).toBe('over');
  });

  it('lets go when the reader leaves', async () => {
    const { made, response, state } = stream();
    response.emit('close');
    expect([await made.ended, state.listening]).toEqual(['closed', 0]);
  });
});

describe('DocumentStream as time passes', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());
  const beat = ': heartbeat\n\n';

  it('sends a heartbeat at least every 15 s while nothing changes', () => {
    const { made, response } = stream({ lifeMs: 600_000 });
    expect(heartbeatMs).toBeLessThanOrEqual(15_000);
    response.written.length = 0;
    jest.advanceTimersByTime(heartbeatMs - 1);
    expect(response.written).toEqual([]);
    jest.advanceTimersByTime(1 + heartbeatMs);
    expect(response.written).toEqual([beat, beat]);
    made.end('over');
    jest.advanceTimersByTime(10 * heartbeatMs);
    expect(response.written).toHaveLength(2);
  });

  it('lets no heartbeats pile up for a slow reader', () => {
    const { made, response, change } = stream({ lifeMs: 600_000 });
    response.full = true;
    change('2');
    response.written.length = 0;
    jest.advanceTimersByTime(stuckMs - 1);
    expect(response.written).toEqual([]);
    response.full = false;
    response.emit('drain');
    jest.advanceTimersByTime(heartbeatMs);
    expect(response.written).toEqual([beat]);
    made.end('over');
  });

  it('cuts off a reader that takes nothing for 30 s, and no sooner', async () => {
    const { made, response, change, state } = stream({ lifeMs: 600_000 });
    response.full = true;
    change('2');
    jest.advanceTimersByTime(stuckMs - 1);
    response.emit('drain');
    change('3');
    jest.advanceTimersByTime(stuckMs - 1);
    expect([response.ended, state.listening]).toEqual([false, 1]);
    jest.advanceTimersByTime(1);
    expect([await made.ended, response.cut, state.listening]).toEqual(['stuck', true, 0]);
    expect(stuckMs).toBe(30_000);
  });
});

describe('StreamRegister', () => {
  it('bounds each peer and forgets what ended', async () => {
    const register = new StreamRegister(2);
    const [one, two] = [stream().made, stream().made];
    register.add('a', one);
    register.add('a', two);
    expect([register.size, register.hasRoomFor('a'), register.hasRoomFor('b')]).toEqual([2, false, true]);
    one.end('over');
    await one.ended;
    expect([register.size, register.hasRoomFor('a')]).toEqual([1, true]);
    register.endAll('draining');
    expect(await two.ended).toBe('draining');
  });
});
