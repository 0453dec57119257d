// Runs in a pod: asks its sidecar's admin port again and again, and says when an endpoint of the wanted cluster is listed. One line of
// standard input starts a round (`appear <cluster>` or `vanish <cluster>`), one line of standard output ends it: the time in Unix ms.
import { Agent, get } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const gapMs = 2;

function ask(path: string): Promise<string> {
  return new Promise((done, fail) => {
    get({ host: '127.0.0.1', port: 15_000, path, agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => done(body));
    }).on('error', fail);
  });
}

/** Envoy's /clusters has a line `<cluster>::<ip:port>::…` for every endpoint; the filter keeps the answer small. */
async function listed(cluster: string): Promise<boolean> {
  const filter = encodeURIComponent(`^${cluster.replaceAll('|', '\\|').replaceAll('.', '\\.')}$`);
  const text = await ask(`/clusters?filter=${filter}`);
  return text.split('\n').some((line) => line.startsWith(`${cluster}::`) && line.includes('::health_flags::'));
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [wish, cluster = ''] = line.split(' ');
  void (async () => {
    while ((await listed(cluster)) !== (wish === 'appear')) await pause(gapMs);
    process.stdout.write(`${performance.timeOrigin + performance.now()}\n`);
  })();
});
