import { create } from '@bufbuild/protobuf';
import type { JsonObject, MessageInitShape } from '@bufbuild/protobuf';
import { describe, it } from '@jest/globals';
import {
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
} from '#proto-gen/envoy/service/discovery/v3/discovery_pb';
import { anyValue, fuzz, fuzzLimitMs } from '#testing';
import type { Dice } from '#testing';
import { parseProxyNode } from '#xds';
import { receivedDelta, receivedSotw } from './requests.js';
import type { ReceivedRequest } from './requests.js';

const texts = ['', '*', 'default', '__proto__', 'sidecar~10.0.0.1~web-1.shop~shop.svc.a', 'x'.repeat(200)];
const metadataKeys = ['CLUSTER_ID', 'LABELS', 'NAMESPACE', 'POD_PORTS', '__proto__'];

type Node = MessageInitShape<typeof DiscoveryRequestSchema>['node'];

function nodeFrom(dice: Dice): Node {
  if (dice.next(4) === 0) return undefined;
  const metadata = Object.fromEntries(dice.list(4, () => [dice.pick(metadataKeys), anyValue(dice, metadataKeys, 2)]));
  const locality = { region: dice.pick(texts), zone: dice.pick(texts) };
  return { id: dice.pick(texts), metadata: metadata as JsonObject, ...(dice.next(2) === 0 ? {} : { locality }) };
}

/** The node can be judged, its locality has no empty end, and an error is told by a text that is not empty. */
function mustBeSound({ event, node }: ReceivedRequest, asked: boolean, failed: boolean): void {
  if ((node !== undefined) !== asked) throw new Error('a node came or went');
  if (node !== undefined) parseProxyNode(node.id, node.metadata, node.locality);
  if (node?.locality.endsWith('/') === true) throw new Error(node.locality);
  if ((event.error !== undefined) !== failed || event.error === '') throw new Error(`error ${event.error}`);
}

describe('requests as the reducer takes them', () => {
  it(
    'carry what the message said, whatever it said',
    () => {
      fuzz((dice) => {
        const node = nodeFrom(dice);
        const failed = dice.next(3) === 0;
        const names = dice.list(4, () => dice.pick(texts));
        const common = {
          typeUrl: dice.pick(texts),
          responseNonce: dice.pick(texts),
          ...(node === undefined ? {} : { node }),
          ...(failed ? { errorDetail: { code: dice.next(20), message: dice.pick(texts) } } : {}),
        };
        const sotw = receivedSotw(create(DiscoveryRequestSchema, { ...common, resourceNames: names }));
        const delta = receivedDelta(create(DeltaDiscoveryRequestSchema, { ...common, resourceNamesSubscribe: names }));
        for (const received of [sotw, delta]) {
          mustBeSound(received, node !== undefined, failed);
          const { event } = received;
          const said = event.kind === 'sotw-request' ? event.names : event.subscribe;
          if (said.join() !== names.join() || event.nonce !== common.responseNonce)
            throw new Error('not what was said');
        }
      });
    },
    fuzzLimitMs,
  );
});
