// Runs inside a cluster's network: serves the legacy documents on --listen and polls a cluster's metadata. Every fact it learns or
// refuses is one JSON line on standard output; commands come as JSON lines on standard input.
import { mkdtempSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { startBadApi } from './bad-api.js';
import type { BadApi } from './bad-api.js';
import { createIdentity, refusal, serverCertificate, tokenFor, workloadCertificate } from './tables.js';
import type { LegacyPeerKeys } from './tables.js';

const { values } = parseArgs({
  options: {
    listen: { type: 'string', default: '10.10.200.5:443' },
    'trust-domain': { type: 'string', default: 'legacy.example' },
    uuid: { type: 'string', default: '11111111-2222-4333-8444-555555555555' },
    poll: { type: 'string' },
    'poll-seconds': { type: 'string', default: '60' },
    // host:port of a gateway that ends mutual TLS itself, as a service's sidecar behind a gateway would; and who it says it is.
    serve: { type: 'string', multiple: true, default: [] },
    document: { type: 'string', default: '{"ingressGateways":[],"publicServices":[]}' },
    multicluster: { type: 'string' },
    // host:port=kind of an API server that is not as it should be (bad-api.ts); its apiHost goes into --multicluster.
    api: { type: 'string' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'legacy-peer-'));
const identity = createIdentity(folder, values['trust-domain'], values.uuid);
const [host = '', port = '443'] = values.listen.split(':');
let peers: readonly LegacyPeerKeys[] = [];
let document = values.document;

function tell(event: string, facts: object = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '';
  if (path === '/metadata/public/public.json') {
    const body = { clusterUUID: identity.clusterUUID, authnKeyPub: identity.signingKeyPem, rootCA: identity.rootPem };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
    return;
  }
  const scheme = /^\/metadata\/private\/(federation|multicluster)\.json$/.exec(path)?.[1];
  const body = scheme === 'federation' ? document : scheme === undefined ? undefined : values.multicluster;
  if (body === undefined) {
    response.writeHead(404).end();
    return;
  }
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const why = refusal(token, peers, identity.clusterUUID, `private-${scheme}`);
  tell('asked', { path, refused: why ?? null });
  response.writeHead(why === undefined ? 200 : 401, { 'content-type': 'application/json' });
  response.end(why === undefined ? body : '{}');
}

function get(url: string, token?: string): Promise<{ status: number; body: string }> {
  return new Promise((done, fail) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const call = httpsRequest(url, { rejectUnauthorized: false, headers }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => done({ status: response.statusCode ?? 0, body }));
    });
    call.on('error', fail);
    call.end();
  });
}

async function poll(base: string): Promise<void> {
  try {
    const open = await get(`${base}/public/public.json`);
    const keys = JSON.parse(open.body) as LegacyPeerKeys;
    peers = [keys];
    const closed = await get(
      `${base}/private/federation.json`,
      tokenFor(identity, keys.clusterUUID, 'private-federation'),
    );
    tell('polled', {
      status: closed.status,
      clusterUUID: keys.clusterUUID,
      document: closed.status === 200 ? JSON.parse(closed.body) : null,
    });
  } catch (error) {
    tell('poll-failed', { message: error instanceof Error ? error.message : String(error) });
  }
}

/** A peer that listens after all: tells that a stream has begun, and when it was ended by the other side. */
function listenToStream(base: string): void {
  const uuid = peers[0]?.clusterUUID ?? '';
  const headers = { authorization: `Bearer ${tokenFor(identity, uuid, 'private-federation')}` };
  httpsRequest(`${base}/private/federation/stream`, { rejectUnauthorized: false, headers }, (response) => {
    tell('streaming', { status: response.statusCode });
    response.resume();
    response.on('close', () => tell('stream-ended', {}));
  })
    .on('error', (error) => tell('stream-ended', { message: error.message }))
    .end();
}

const { cert: door, key: doorKey } = serverCertificate(folder, 'door', host);
if (values.api !== undefined) {
  const [where = '', kind = ''] = values.api.split('=');
  startBadApi(where, kind as BadApi, folder, { cert: door, key: doorKey });
}
createServer({ cert: door, key: doorKey }, answer).listen(Number(port), host, () => {
  tell('ready', {
    ca: door,
    endpoint: `https://${values.listen}/metadata`,
    folder,
    clusterUUID: identity.clusterUUID,
    root: identity.rootPem,
  });
});
/** `host:port=spiffe-id`: answers HTTP with who called, under a certificate of this peer's root. */
function serve(wish: string): void {
  const [where = '', spiffeId = ''] = wish.split('=');
  const [address = '', number = ''] = where.split(':');
  const files = workloadCertificate(identity, folder, `serve-${number}`, spiffeId);
  createServer(
    { ...files, requestCert: true, rejectUnauthorized: false, ALPNProtocols: ['istio-http/1.1', 'istio', 'http/1.1'] },
    (request, response) => {
      const socket = request.socket as TLSSocket;
      const caller = socket.getPeerCertificate().subjectaltname ?? '';
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ from: 'legacy', caller, sni: socket.servername ?? null }));
    },
  ).listen(Number(number), address);
}

for (const wish of values.serve) serve(wish);
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line) as {
      document?: unknown;
      poll?: boolean;
      stream?: boolean;
      mint?: { name: string; spiffeId: string };
    };
    if (command.document !== undefined) document = JSON.stringify(command.document);
    if (command.mint !== undefined) {
      workloadCertificate(identity, folder, command.mint.name, command.mint.spiffeId);
      tell('minted', { name: command.mint.name });
    }
    if (command.stream === true && values.poll !== undefined) listenToStream(values.poll);
    if (command.poll === true && values.poll !== undefined) void poll(values.poll);
  })
  .on('close', () => process.exit(0));
if (values.poll !== undefined) {
  const base = values.poll;
  void poll(base);
  setInterval(() => void poll(base), Number(values['poll-seconds']) * 1000);
}
