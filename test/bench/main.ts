// `npm run bench -- <name> [--json FILE]`: figures from one run on this machine; quote them as ratios, with nothing else running.
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { benchApiProxy } from './api-proxy.js';
import { benchFailover } from './failover.js';
import { benchPeers } from './peers.js';
import { benchPropagation } from './propagation.js';
import { readWish, WishError } from './wish.js';
import type { BenchOptions, Wish } from './wish.js';

interface Bench extends BenchOptions {
  readonly run: (wish: Wish) => Promise<object>;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const benches: Readonly<Record<string, Bench>> = {
  propagation: {
    numbers: { services: 100, proxies: 50, rounds: 50, 'poll-rounds': 5 },
    run: ({ number }) =>
      benchPropagation({
        services: number('services'),
        proxies: number('proxies'),
        rounds: number('rounds'),
        pollRounds: number('poll-rounds'),
        say,
      }),
  },
  peers: {
    numbers: { peers: 100, services: 100, changes: 100, seconds: 60 },
    texts: ['cpu-prof'],
    run: ({ number, text }) =>
      benchPeers({
        peers: number('peers'),
        services: number('services'),
        changes: number('changes'),
        seconds: number('seconds'),
        cpuProfile: text('cpu-prof'),
        say,
      }),
  },
  'api-proxy': {
    numbers: {
      pods: 5000,
      gets: 2000,
      lists: 8,
      watches: 500,
      events: 200,
      seconds: 40,
      'idle-watches': 1000,
    },
    texts: ['cpu-prof'],
    run: ({ number, text }) =>
      benchApiProxy({
        pods: number('pods'),
        gets: number('gets'),
        lists: number('lists'),
        watches: { watches: number('watches'), eventsPerSecond: number('events'), seconds: number('seconds') },
        idleWatches: number('idle-watches'),
        cpuProfile: text('cpu-prof'),
        say,
      }),
  },
  failover: {
    numbers: { rounds: 10, rate: 50 },
    run: ({ number }) => benchFailover({ rounds: number('rounds'), rate: number('rate'), say }),
  },
};

try {
  const wish = readWish(process.argv.slice(2), benches);
  const result = await benches[wish.bench]?.run(wish);
  const machine = { cpus: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30) };
  const report = { bench: wish.bench, ...machine, ...result };
  say(JSON.stringify(report));
  const json = wish.text('json');
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof WishError ? error.message : String((error as Error).stack)}\n`);
  process.exit(error instanceof WishError ? 2 : 1);
}
