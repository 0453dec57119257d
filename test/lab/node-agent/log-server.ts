import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createCa } from '../certificates.js';
import { podDirectory, readRecords } from './pod-record.js';

/** The kubelet's own port: the API server asks there for what `kubectl logs` shows. */
export const kubeletPort = 10_250;
const lookEveryMs = 200;

/** Serves the kubelet's `GET /containerLogs/<namespace>/<pod>/<container>` with `follow` and `tailLines`, over TLS, on the node's address. */
export async function serveLogs(state: string, nodeIp: string, signal: AbortSignal): Promise<void> {
  const { certificate, key } = await (await createCa('node')).issue([nodeIp]);
  const server = createServer({ cert: certificate, key }, (request, response) => answer(state, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(kubeletPort, nodeIp, resolve);
  });
  signal.addEventListener('abort', () => server.close(), { once: true });
}

function answer(state: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://node');
  const [, route, namespace = '', pod = '', container = ''] = pathname.split('/');
  if (route !== 'containerLogs') {
    response.writeHead(404).end('this node serves logs only\n');
    return;
  }
  const record = readRecords(state).find((each) => each.namespace === namespace && each.name === pod);
  const file = record === undefined ? '' : join(podDirectory(state, record), `${container}.log`);
  if (!existsSync(file)) {
    response.writeHead(404).end(`container ${container} of ${namespace}/${pod} has no log on this node\n`);
    return;
  }
  response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
  const text = readFileSync(file, 'utf8');
  response.write(lastLines(text, searchParams.get('tailLines')));
  if (searchParams.get('follow') === 'true') follow(file, Buffer.byteLength(text), response);
  else response.end();
}

function lastLines(text: string, tailLines: string | null): string {
  if (tailLines === null) return text;
  const lines = text.split('\n');
  const ended = lines.at(-1) === '' ? 1 : 0;
  return lines.slice(Math.max(0, lines.length - ended - Number(tailLines))).join('\n');
}

/** Sends what is added to the file until the reader leaves. */
function follow(file: string, from: number, response: ServerResponse): void {
  let sent = from;
  const timer = setInterval(() => {
    const size = existsSync(file) ? statSync(file).size : sent;
    if (size <= sent) return;
    createReadStream(file, { start: sent, end: size - 1 }).on('data', (chunk) => response.write(chunk));
    sent = size;
  }, lookEveryMs);
  response.once('close', () => clearInterval(timer));
}
