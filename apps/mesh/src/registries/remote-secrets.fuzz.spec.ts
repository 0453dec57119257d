import { describe, it } from '@jest/globals';
import { durationMs, staleModes } from '#crd';
import type { StalePolicy } from '#crd';
import type { Secret } from '#istio-api';
import { annotations } from '#model';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs, fuzzSecret } from '#testing';
import type { Dice } from '#testing';
import { wantedClusters } from './remote-secrets.js';

const policy = { mode: 'DrainAfter', after: '1h', overrides: [{ hosts: ['*.demo'], mode: 'Keep' }] };
const members = ['mode', 'after', 'overrides', 'hosts', '__proto__'];
const ids = ['own', 'west', 'east', '', '__proto__', '../x', 'a'.repeat(300)];

function secretFrom(dice: Dice, index: number): Secret {
  const said = JSON.stringify(dice.next(3) === 0 ? policy : brokenValue(dice, policy, members));
  const data = dice.list(3, () => [dice.pick(ids), Buffer.from(brokenText(dice, fuzzSecret)).toString('base64')]);
  return {
    metadata: {
      name: `remote-${index}`,
      namespace: 'istio-system',
      ...(dice.next(4) === 0 ? {} : { creationTimestamp: `2026-01-0${1 + dice.next(9)}T00:00:00Z` }),
      annotations: {
        [annotations.trustDomain]: dice.pick(['', 'west.example', fuzzSecret]),
        [annotations.stalePolicy]: dice.next(3) === 0 ? brokenText(dice, said) : said,
      },
    },
    ...(dice.next(8) === 0 ? {} : { data: Object.fromEntries(data) as Record<string, string> }),
  };
}

function mustBeFollowable(stalePolicy: StalePolicy | undefined): void {
  const all = stalePolicy === undefined ? [] : [stalePolicy, ...(stalePolicy.overrides ?? [])];
  for (const { mode, after } of all)
    if (!staleModes.includes(mode) || (after !== undefined && !(durationMs(after) >= 0)))
      throw new Error(`${mode} ${after}`);
}

describe('remote Secrets', () => {
  it(
    'any Secrets: each cluster ID once, never our own, with a policy that can be followed; what is not followed is told with its Secret, no kubeconfig shown',
    () =>
      fuzzBothWays((dice) => {
        const secrets = dice.list(4, (index) => secretFrom(dice, index));
        const { wanted, faults } = wantedClusters(secrets, 'own');
        const known = new Set(secrets.map(({ metadata }) => `istio-system/${metadata?.name}`));
        for (const { clusterID, secret, fault } of faults)
          if (!known.has(secret) || fault.length > 200 || `${fault}`.includes(fuzzSecret))
            throw new Error(`${clusterID} ${fault}`);
        const asked = new Set(secrets.flatMap(({ data = {} }) => Object.keys(data)));
        asked.delete('own');
        if ([...wanted.keys()].sort().join() !== [...asked].sort().join())
          throw new Error('not those that were asked for');
        for (const [clusterID, { secret, stalePolicy }] of wanted) {
          if (!known.has(secret) || clusterID === 'own') throw new Error(secret);
          mustBeFollowable(stalePolicy);
        }
        return faults.length === 0;
      }),
    fuzzLimitMs,
  );
});
