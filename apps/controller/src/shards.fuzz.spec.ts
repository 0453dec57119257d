import { describe, it } from '@jest/globals';
import type { Secret } from '#istio-api';
import { annotations } from '#model';
import { fuzz, fuzzLimitMs, fuzzSecret, readOr } from '#testing';
import type { Dice } from '#testing';
import { isWhole, secretsFor, textOf } from './shards.js';

const order = { namespace: 'n', nameOf: (shard: number) => `s-${shard}`, labels: {}, annotations: {} };
const texts = ['', '{}', fuzzSecret, 'ä'.repeat(500)].map((text) => ({
  text,
  secrets: secretsFor({ ...order, text }),
}));
const counts = ['0', '2', '65', '-1', '1e9', 'x', ''];

/** The Secrets with a shard lost, its bytes changed, or its annotations those of something else. */
function broken(dice: Dice, secrets: readonly Secret[]): readonly Secret[] {
  const [first] = secrets;
  const { metadata = {}, data = {} } = first ?? {};
  const told = { ...metadata.annotations };
  const form = dice.next(4);
  if (form === 0) told[annotations.shards] = dice.pick(counts);
  if (form === 1) told[annotations.digest] = dice.pick(['', 'x', 'ab'.repeat(32)]);
  if (form === 2) delete told[annotations.digest];
  const bytes = Buffer.from(data['document.gz'] ?? '', 'base64');
  if (form === 3 || dice.next(2) === 0) bytes[dice.next(bytes.length)] = dice.next(256);
  const kept =
    dice.next(20) === 0
      ? {}
      : { 'document.gz': bytes.subarray(0, dice.next(8) === 0 ? dice.next(30) : undefined).toString('base64') };
  return [{ ...first, metadata: { ...metadata, annotations: told }, data: kept } as Secret];
}

describe('texts in several Secrets', () => {
  it(
    'are the text that was packed, or an error; never a part or another text',
    () => {
      fuzz((dice) => {
        const { text, secrets } = dice.pick(texts);
        const found = dice.next(4) === 0 ? secrets : broken(dice, secrets);
        const read = readOr(
          () => textOf((shard) => found[shard]),
          (error) => error.name !== 'TypeError' && error.message.length < 300,
        );
        isWhole(found);
        if (read !== undefined && read !== text) throw new Error(`${JSON.stringify(found)} gave ${read}`);
        if (found === secrets && read === undefined) throw new Error('what was packed must be read');
      });
    },
    fuzzLimitMs,
  );
});
