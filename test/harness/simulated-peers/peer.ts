import { createPrivateKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer } from 'node:net';
import { federationMembers, encodeFederationDocument, encodePublicDocument } from '#protocol';
import type { PublicService, TrustRegistry } from '#model';
import { scopesOf } from '#model';
import {
  buildCsr,
  generateCa,
  generateSigningKey,
  issueWorkloadCertificate,
  loadCa,
  nextSequence,
  readPublicSigningKey,
  verifyToken,
} from '#trust';
import type { CaFiles, WorkloadCa } from '#trust';
import { signPrivateDocument, signPublicDocument } from '../../../libs/trust/src/peer.fixture.js';
import { isKnownTo, servedDocument } from '../../../apps/metadata-api/src/documents/served-document.js';
import type { ServedDocument } from '../../../apps/metadata-api/src/documents/served-document.js';
import { DocumentStream } from '../../../apps/metadata-api/src/private/document-stream.js';
import type { Change, ReadyPeer, Settings } from './orders.js';

/** Streams end within ten minutes, as the protocol says. */
const streamLifeMs = 9 * 60_000;
const lifetimeSeconds = 3600;
const certificateSeconds = 30 * 24 * 3600;

/** A peer cluster as others see it: own root, own signing key, signed documents over HTTPS with ETag, and a stream of changes. */
export class SimulatedPeer {
  readonly #name: string;
  readonly #settings: Settings;
  readonly #uuid = randomUUID();
  readonly #key = generateSigningKey();
  readonly #files: CaFiles;
  readonly #ca: WorkloadCa;
  readonly #keyChain: readonly string[];
  readonly #registry: TrustRegistry;
  readonly #services: PublicService[];
  readonly #listeners = new Set<() => void>();
  readonly #server: Server;
  readonly #gateway: TcpServer;
  #publicDocument = servedDocument(Buffer.from(''), '');
  #privateDocument = servedDocument(Buffer.from(''), '');
  #seq = 0;

  constructor(index: number, settings: Settings) {
    this.#name = `peer-${index}`;
    this.#settings = settings;
    const now = Date.now();
    this.#files = generateCa({ trustDomain: this.#domain, now, algorithm: 'ec', serial: randomBytes(16) });
    this.#ca = loadCa(this.#files, now);
    this.#keyChain = this.#certificate(this.#key.privatePem, ['isthmus-system', 'isthmus-controller'], []);
    this.#registry = registryOf(settings);
    this.#services = Array.from({ length: settings.services }, (_unused, service) =>
      this.#service(`s${service}`, 8080),
    );
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const cert = this.#certificate(key, ['isthmus-system', 'metadata-api'], ['127.0.0.1']).join('');
    this.#server = createServer({ key, cert }, (request, response) => void this.#answer(request, response));
    this.#gateway = createTcpServer((socket) => socket.destroy());
  }

  /** Listens on ports of its own; the documents are signed once the gateway's port is known. */
  async start(): Promise<ReadyPeer> {
    await listening(this.#gateway, this.#settings.gatewayAddress);
    await listening(this.#server, '127.0.0.1');
    this.#signPublic();
    this.#signPrivate();
    const { port } = this.#server.address() as AddressInfo;
    const endpoint = `https://127.0.0.1:${port}/metadata`;
    return { name: this.#name, trustDomain: this.#domain, endpoint, root: this.#files['root-cert.pem'] };
  }

  /** Changes what is offered and tells every stream; answers with the host that changed. */
  change({ kind, service, port }: Change): string {
    const name = kind === 'port' ? `s${service}` : `more-${port}`;
    const changed = this.#service(name, port);
    if (kind === 'port') this.#services[service] = changed;
    else this.#services.push(changed);
    this.#signPrivate();
    return changed.hostname;
  }

  get #domain(): string {
    return `${this.#name}.example`;
  }

  #service(name: string, port: number): PublicService {
    return {
      hostname: `${name}.shop.svc.${this.#domain}`,
      ports: [{ name: 'http', port, protocol: 'HTTP' }],
      subjectAltNames: [`spiffe://${this.#domain}/ns/shop/sa/${name}`],
    };
  }

  #certificate(
    privatePem: string,
    [namespace = '', account = '']: readonly string[],
    ips: readonly string[],
  ): readonly string[] {
    return issueWorkloadCertificate(this.#ca, {
      csrPem: buildCsr(createPrivateKey(privatePem)),
      spiffeIds: [`spiffe://${this.#domain}/ns/${namespace}/sa/${account}`],
      ips,
      ttlSeconds: certificateSeconds,
      now: Date.now(),
      serial: randomBytes(16),
    }).chain;
  }

  #signPublic(): void {
    const { kid, publicPem: pem } = this.#key;
    const roots = [this.#files['root-cert.pem']];
    const identity = {
      clusterUUID: this.#uuid,
      clusterID: this.#name,
      trustDomain: this.#domain,
      clusterDomain: this.#domain,
      networkName: this.#name,
    };
    const keys = [{ kid, pem, state: 'current' as const }];
    const facts = { identity, roots, keys, keyChain: this.#keyChain, tlsCA: '', crls: [] };
    const signed = signPublicDocument(facts, { seq: Date.now(), now: Date.now(), lifetimeSeconds }, this.#key);
    const document = { clusterUUID: this.#uuid, authnKeyPub: pem, rootCA: roots.join(''), signed };
    this.#publicDocument = servedDocument(Buffer.from(encodePublicDocument(document)), '');
  }

  #signPrivate(): void {
    const { port } = this.#gateway.address() as AddressInfo;
    const content = {
      ingressGateways: [{ address: this.#settings.gatewayAddress, port }],
      publicServices: this.#services,
    };
    const parties = { clusterUUID: this.#uuid, audience: this.#settings.reader.clusterUUID };
    this.#seq = nextSequence(this.#seq, Date.now());
    const freshness = { seq: this.#seq, now: Date.now(), lifetimeSeconds };
    const signed = signPrivateDocument(federationMembers(content), parties, freshness, this.#key);
    const text = encodeFederationDocument({ ...content, signed });
    this.#privateDocument = servedDocument(Buffer.from(text), String(this.#seq));
    for (const tell of this.#listeners) tell();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    if (path === '/metadata/public/public.json') {
      send(request, response, this.#publicDocument);
      return;
    }
    const isStream = path === '/metadata/private/federation/stream';
    if (!isStream && path !== '/metadata/private/federation.json') {
      response.writeHead(404).end();
      return;
    }
    const token = await verifyToken((request.headers.authorization ?? '').replace(/^Bearer /, ''), this.#registry, {
      audience: this.#uuid,
      scope: 'private-federation',
      now: Date.now(),
    });
    if (!token.ok) response.writeHead(token.status).end();
    else if (isStream) this.#stream(request, response);
    else send(request, response, this.#privateDocument);
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    const lastEventId = request.headers['last-event-id'];
    new DocumentStream({
      response,
      current: () => this.#privateDocument,
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      standing: () => 'trusted',
      lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
      lifeMs: streamLifeMs,
      onSent: () => undefined,
    });
  }
}

function registryOf({ reader }: Settings): TrustRegistry {
  const { clusterUUID, trustDomain, publicPem } = reader;
  const peer = {
    kind: 'IstioFederation' as const,
    name: 'reader',
    clusterUUID,
    trustDomain,
    clusterDomain: trustDomain,
    roots: [],
    keys: [{ kid: readPublicSigningKey(publicPem)?.kid ?? '', pem: publicPem, state: 'current' as const }],
    signed: true,
    crls: [],
    scopes: scopesOf('IstioFederation'),
    legacyAPITokens: false,
  };
  return { version: 1, peers: [peer] };
}

function send(request: IncomingMessage, response: ServerResponse, { body, etag }: ServedDocument): void {
  response.setHeader('etag', etag);
  if (isKnownTo(request.headers['if-none-match'], etag)) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader('content-type', 'application/json');
  response.end(body);
}

function listening(server: Server | TcpServer, host: string): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, host, () => done());
  });
}
