import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzz, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import { KubeApiError, MalformedAnswerError } from './errors.js';
import { LineSplitter, LineTooLongError, watchEventFrom } from './watch-stream.js';

const keys = ['type', 'object', 'metadata', 'name', 'code', 'reason', 'message', 'details', 'data', '__proto__'];
const events = [
  { type: 'ADDED', object: { metadata: { name: 'a', resourceVersion: '1' }, data: { key: 'x' } } },
  { type: 'BOOKMARK', object: { metadata: { resourceVersion: '7', annotations: {} } } },
  { type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } },
  { type: 'ERROR', object: { code: 500, message: 'y'.repeat(9_000), details: { retryAfterSeconds: 1 } } },
];
const pieces = ['{"a":1}', '\n', '\n\n', 'ä', '\u{1f600}', '\ufeff', '\r\n', 'x'.repeat(30), '\u0000'];

describe('watches of other clusters’ API servers', () => {
  it(
    'any line is an event with an object and metadata, or an error that shows nothing of it',
    () => {
      fuzz((dice) => {
        const event = dice.pick(events);
        const secret = { type: 'ADDED', object: { metadata: { name: fuzzSecret }, data: { key: fuzzSecret } } };
        const line =
          dice.next(3) === 0
            ? JSON.stringify(
                brokenValue(
                  dice,
                  event,
                  keys.filter((key) => event.type !== 'ERROR' || key !== '__proto__'),
                ),
              )
            : brokenText(dice, JSON.stringify(dice.next(2) === 0 ? secret : event));
        // The message of a Status is there to be shown; everything else may be a Secret.
        const shown = line.includes('ERROR');
        if (shown && line.includes(fuzzSecret)) return;
        const read = readOr(
          () => watchEventFrom(line, '/api/v1/secrets'),
          (error) =>
            (error instanceof MalformedAnswerError || (error instanceof KubeApiError && shown)) &&
            error.message.length < 5_000,
        );
        if (read === undefined) return;
        if (typeof read.object.metadata !== 'object' || !/^(ADDED|MODIFIED|DELETED|BOOKMARK)$/.test(read.type))
          throw new Error(line);
      });
    },
    fuzzLimitMs,
  );

  it(
    'the lines are the same however the bytes are cut, in bounded memory',
    () => {
      fuzz((dice) => {
        const bytes = Buffer.from(dice.list(8, () => dice.pick(pieces)).join(''));
        const read = (chunks: readonly Uint8Array[]): string => {
          const splitter = new LineSplitter(40);
          const lines = readOr(
            () => chunks.flatMap((chunk) => splitter.push(chunk)),
            (error) => error instanceof LineTooLongError,
          );
          return lines === undefined ? 'too long' : JSON.stringify(lines);
        };
        const at = dice.next(bytes.length + 1);
        const halves = read([bytes.subarray(0, at), bytes.subarray(at)]);
        const single = read(Array.from(bytes, (byte) => Uint8Array.of(byte)));
        const whole = read([bytes]);
        if (halves !== single || whole !== single) throw new Error(`${whole} ${halves} ${single}`);
      });
    },
    fuzzLimitMs,
  );
});
