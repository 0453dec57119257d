import { describe, expect, it } from '@jest/globals';
import { mustRefuse } from './scene.js';

describe('a refusal', () => {
  it.each([
    'write EPROTO 0:error:0A000416:SSL routines:ssl3_read_bytes:ssl/tls alert certificate unknown',
    'read ECONNRESET',
    'Client network socket disconnected before secure TLS connection was established',
    'connection closed',
  ])('is an alert, a reset or a close: %s', (refused) => {
    expect(mustRefuse('x', { refused, answers: 0 })).toBe(refused);
  });

  it.each([
    ['an answer', { status: 403, answers: 1 }, 'x: answered 403'],
    ['silence', { silent: 'no answer within 5000 ms', answers: 0 }, 'x: no answer within 5000 ms; an alert'],
    ['nobody there', { refused: 'connect ECONNREFUSED 10.10.2.11:15443', answers: 0 }, 'x: connect ECONNREFUSED'],
    ['no way there', { refused: 'connect EHOSTUNREACH 10.10.2.11:15443', answers: 0 }, 'x: connect EHOSTUNREACH'],
    ['nothing at all', { answers: 0 }, 'x: nothing was said'],
  ])('is not %s', (_, answer, message) => {
    expect(() => mustRefuse('x', answer)).toThrow(message);
  });
});
