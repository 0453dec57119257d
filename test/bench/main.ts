// `npm run bench -- <name> [--json FILE]`: figures from one run on this machine; quote them as ratios, with nothing else running.
import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { benchPropagation } from './propagation.js';

const usage = `npm run bench -- propagation [--services 100] [--proxies 50] [--rounds 50] [--poll-rounds 5] [--json FILE]`;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    services: { type: 'string', default: '100' },
    proxies: { type: 'string', default: '50' },
    rounds: { type: 'string', default: '50' },
    'poll-rounds': { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (positionals[0] !== 'propagation') {
  process.stderr.write(
    `${positionals[0] === undefined ? 'which bench?' : `no bench is called ${positionals[0]}`}\n${usage}\n`,
  );
  process.exit(2);
}
const result = await benchPropagation({
  services: Number(values.services),
  proxies: Number(values.proxies),
  rounds: Number(values.rounds),
  pollRounds: Number(values['poll-rounds']),
  say,
});
const report = { bench: 'propagation', cpus: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), ...result };
say(JSON.stringify(report));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
process.exit(0);
