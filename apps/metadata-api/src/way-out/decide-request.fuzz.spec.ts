import { createHash } from 'node:crypto';
import { describe, it } from '@jest/globals';
import type { WayOutPeer, WayOutRegistry } from '#model';
import { brokenText, fuzz, fuzzLimitMs, fuzzRuns } from '#testing';
import { decideOutbound } from './decide-request.js';

const names = ['west', 'north', 'a.b-c'];
const credentialOf = (name: string): string => `credential-${name}`;
const peerOf = (name: string): WayOutPeer => ({
  name,
  apiHost: `${name}.example:6443`,
  audience: name,
  insecureSkipVerify: false,
  readers: [{ reader: 'mesh', sha256: createHash('sha256').update(credentialOf(name)).digest('hex') }],
});
const registry: WayOutRegistry = { version: 1, peers: names.map(peerOf), ownAddresses: [] };
const paths = [
  '/api/v1/pods',
  '/api/v1/secrets/x',
  '/version',
  '/api/v1/pods?watch=true',
  '/../north/api',
  '//api',
  '',
];

describe('requests on the way out', () => {
  it(
    'go to the peer they name, with its credential alone; what is sent on begins anew at the peer’s root',
    () => {
      let allowed = 0;
      fuzz((dice) => {
        const name = dice.pick([...names, ...names, ...names, 'south', 'WEST', 'west%2f', '..']);
        const whole = `/peers/${name}${dice.pick(paths)}`;
        const other = dice.next(3) === 0 ? dice.pick(names) : name;
        const target = dice.next(3) === 0 ? brokenText(dice, whole) : whole;
        const credential = dice.next(4) === 0 ? brokenText(dice, credentialOf(name)) : credentialOf(other);
        const decided = decideOutbound(
          {
            httpVersion: '1.1',
            method: dice.pick(['GET', 'GET', 'GET', 'GET', 'POST', 'DELETE']),
            target,
            headers: [
              ['host', 'isthmus-way-out'],
              [
                'authorization',
                dice.pick([`Bearer ${credential}`, `bearer ${credential}`, `Bearer ${credential}`, credential, '']),
              ],
            ],
          },
          registry,
        );
        if (!decided.ok) {
          if (decided.message.includes('credential-')) throw new Error('tells the credential');
          if (decided.status === 403 && !names.some((peer) => credential === credentialOf(peer)))
            throw new Error('told what is refused to who has no credential');
          return;
        }
        allowed += 1;
        const { peer, asked } = decided;
        if (credential !== credentialOf(peer.name)) throw new Error(`${credential} at ${peer.name}`);
        if (!target.startsWith(`/peers/${peer.name}${asked.path}`) || asked.path.includes('..'))
          throw new Error(target);
      });
      if (allowed < fuzzRuns / 20) throw new Error(`${allowed} were allowed: the inputs are too wild to show anything`);
    },
    fuzzLimitMs,
  );
});
