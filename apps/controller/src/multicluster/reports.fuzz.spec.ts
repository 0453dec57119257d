import { describe, it } from '@jest/globals';
import { brokenText, brokenValue, fuzzBothWays, fuzzLimitMs } from '#testing';
import { apiReachesFrom, registryReport } from './reports.js';

const report = { synced: true, lastContact: 1, services: 2, endpoints: 3, error: 'e', conflicts: ['c'] };
const told = { clusters: { west: report, east: { ...report, synced: false } }, at: 1 };
const reach = { ok: true, reason: 'Reached', message: 'm', at: 1 };
const reaches = { west: reach, east: { ...reach, ok: false } };
const names = [...Object.keys(report), ...Object.keys(reach), 'clusters', 'west', '__proto__'];

describe('what is told of remote clusters', () => {
  it(
    'any entries of replicas: a report of counts and texts, or none; an entry that cannot be read hides no other',
    () =>
      fuzzBothWays((dice) => {
        const text = brokenText(dice, JSON.stringify(dice.next(2) === 0 ? brokenValue(dice, told, names) : told));
        const good = dice.next(4) === 0;
        const data = { a: text, gone: '{}', ...(good ? { b: JSON.stringify(told) } : {}) };
        const read = registryReport({ data }, new Set(['a', 'b']), 'west');
        if (good && read === undefined) throw new Error('the report that can be read is hidden');
        if (read === undefined) return false;
        const { synced, lastContact, services, endpoints, error = '', conflicts = [] } = read;
        if (typeof synced !== 'boolean' || ![lastContact, services, endpoints].every(Number.isFinite))
          throw new Error(text);
        if (![error, ...conflicts].every((each) => typeof each === 'string')) throw new Error(text);
        return !good;
      }),
    fuzzLimitMs,
  );

  it(
    'any answer of the way out: what is of its format, the rest passed over',
    () =>
      fuzzBothWays((dice) => {
        const read = apiReachesFrom(dice.next(4) === 0 ? reaches : brokenValue(dice, reaches, names));
        for (const { ok, reason, message, at } of read.values())
          if (`${typeof ok} ${typeof reason} ${typeof message}` !== 'boolean string string' || !Number.isFinite(at))
            throw new Error(JSON.stringify([...read]));
        return read.size === 2;
      }),
    fuzzLimitMs,
  );
});
