// A process of simulated peers. Standard input: its settings in one line, then a change a line; its end is ours. Standard output: see orders.ts.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Change, Settings, Told } from './orders.js';
import { SimulatedPeer } from './peer.js';

function tell(news: Told): void {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
const [first] = (await once(lines, 'line')) as [string];
const settings = JSON.parse(first) as Settings;
const peers = Array.from({ length: settings.peers }, (_unused, index) => new SimulatedPeer(index, settings));
lines.on('line', (line) => {
  const change = JSON.parse(line) as Change;
  const at = performance.timeOrigin + performance.now();
  const host = peers[change.peer]?.change(change) ?? '';
  tell({ event: 'changed', id: change.id, host, at });
});
tell({ event: 'ready', peers: await Promise.all(peers.map((peer) => peer.start())) });
