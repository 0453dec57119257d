import { describe, it } from '@jest/globals';
import { anyValue, brokenText, brokenValue, fuzz, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import { kubeErrorFrom, MalformedAnswerError, objectFrom } from './errors.js';

const keys = ['kind', 'status', 'reason', 'message', 'code', 'details', 'retryAfterSeconds', '__proto__'];
const status = { kind: 'Status', reason: 'Invalid', message: 'no', code: 422, details: { retryAfterSeconds: 3 } };
const request = { method: 'PATCH', path: '/api/v1/namespaces/a/secrets/keys', body: fuzzSecret };

describe('answers of API servers', () => {
  it(
    'any body of a failure is one of our errors, of bounded size, with nothing of what was sent',
    () => {
      fuzz((dice) => {
        const text = JSON.stringify(
          dice.next(2) === 0 ? brokenValue(dice, status, keys) : { ...status, message: 'x'.repeat(dice.next(60_000)) },
        );
        const body = dice.next(2) === 0 ? text : brokenText(dice, text);
        const error = kubeErrorFrom(400 + dice.next(200), body, request);
        const { reason, message, retryAfterSeconds } = error;
        if (typeof reason !== 'string' || reason === '' || reason.length > 100) throw new Error(`reason ${reason}`);
        if (typeof message !== 'string' || message.length > 5_000) throw new Error(`message of ${message.length}`);
        if (retryAfterSeconds !== undefined && typeof retryAfterSeconds !== 'number')
          throw new Error('retryAfterSeconds');
        if (!body.includes(fuzzSecret) && `${message}${JSON.stringify(error)}`.includes(fuzzSecret))
          throw new Error(message);
      });
    },
    fuzzLimitMs,
  );

  it(
    'any body of a success is a JSON object, or refused without being shown',
    () => {
      fuzz((dice) => {
        const body = brokenText(dice, JSON.stringify(dice.next(2) === 0 ? { data: fuzzSecret } : anyValue(dice, keys)));
        const read = readOr(
          () => objectFrom<Record<string, unknown>>(body, request),
          (error) => error instanceof MalformedAnswerError,
        );
        if (read !== undefined && JSON.stringify(read) !== JSON.stringify(JSON.parse(body))) throw new Error(body);
      });
    },
    fuzzLimitMs,
  );
});
