import { gzipSync } from 'node:zlib';
import { describe, it } from '@jest/globals';
import type { Secret } from '#istio-api';
import { annotations, documentSecretName } from '#model';
import type { TrustedPeer } from '#model';
import { fuzzBothWays, fuzzLimitMs } from '#testing';
import type { Dice } from '#testing';
import { PrivateDocuments } from './private-documents.js';
import type { ServedDocument } from './served-document.js';

const peer = { kind: 'IstioFederation', name: 'b', clusterUUID: 'u-b' } as TrustedPeer;
const whole = new Map(
  ['first', 'second '.repeat(9)].flatMap((text) =>
    [1, 2].map((shards) => [`${text} ${shards}`, written(text, shards)] as const),
  ),
);
const texts = new Set(['first', 'second '.repeat(9)]);

function written(text: string, shards: number): readonly Secret[] {
  const packed = gzipSync(text);
  const size = Math.ceil(packed.length / shards);
  return Array.from({ length: shards }, (_unused, shard) => ({
    metadata: {
      name: documentSecretName(peer, shard),
      resourceVersion: `${text}.${shards}.${shard}`,
      annotations: {
        [annotations.peerUUID]: 'u-b',
        [annotations.sequence]: text,
        [annotations.shards]: String(shards),
      },
    },
    data: { 'document.gz': packed.subarray(shard * size, (shard + 1) * size).toString('base64') },
  }));
}

let changes = 0;

/** The Secret with bytes of it changed or cut off, or annotations that say something else; a change has another version. */
function broken(dice: Dice, secret: Secret): Secret {
  changes += 1;
  const notes = { ...secret.metadata?.annotations };
  const form = dice.next(5);
  if (form === 0) notes[annotations.shards] = dice.pick(['0', '1', '2', '65', '-1', '1e9', 'x', '']);
  if (form === 1) notes[annotations.peerUUID] = dice.pick(['', 'u-other']);
  if (form === 2) notes[annotations.sequence] = dice.pick(['', 'x']);
  const bytes = Buffer.from(secret.data?.['document.gz'] ?? '', 'base64');
  if (form === 3) bytes[dice.next(bytes.length)] = dice.next(256);
  const kept = form === 4 ? bytes.subarray(0, dice.next(bytes.length)) : bytes;
  return {
    metadata: { ...secret.metadata, resourceVersion: `changed.${changes}`, annotations: notes },
    ...(dice.next(20) === 0 ? {} : { data: { 'document.gz': kept.toString('base64') } }),
  };
}

function mustBeWhole(shown: ServedDocument | undefined): boolean {
  if (shown !== undefined && !texts.has(shown.body.toString())) throw new Error(shown.body.toString());
  return shown !== undefined;
}

describe('private documents in Secrets', () => {
  it(
    'any Secrets, one after another: a document that was written for this very cluster, whole, or none; never a part or another’s',
    () =>
      fuzzBothWays((dice) => {
        const secrets = new Map<string, Secret>();
        const documents = new PrivateDocuments((name) => secrets.get(name));
        let [taken, forOther] = [false, false];
        for (let step = 0; step < 3; step += 1) {
          for (const secret of dice.pick([...whole.values()]).filter(() => dice.next(6) > 0))
            secrets.set(secret.metadata?.name ?? '', dice.next(3) === 0 ? broken(dice, secret) : secret);
          const notes = [...secrets.values()].map(({ metadata }) => metadata?.annotations ?? {});
          forOther ||= notes.some((each) => each[annotations.peerUUID] !== 'u-b');
          taken = mustBeWhole(documents.documentFor(peer));
          if (!forOther && documents.documentFor({ ...peer, clusterUUID: 'u-other' }) !== undefined)
            throw new Error('made for another cluster');
        }
        return taken;
      }),
    fuzzLimitMs,
  );
});
