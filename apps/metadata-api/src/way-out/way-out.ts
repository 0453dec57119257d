import type { KubeClient } from '#kube';
import { meshReader } from '#model';
import type { WayOutPeer, WayOutReader } from '#model';
import { createRegistry, Health, startHealthServer } from '#platform';
import type { Logger } from '#platform';
import { forbiddenAddress } from '#protocol';
import { Forwarding } from '../api-proxy/forward.js';
import type { ForwardWords } from '../api-proxy/forward.js';
import type { Allowed } from '../api-proxy/decide-request.js';
import { passedHeaders } from '../api-proxy/forwarded.js';
import { queryText } from '../api-proxy/decide-query.js';
import { listen } from '../api-proxy/listener.js';
import type { Listener } from '../api-proxy/listener.js';
import { Reply } from '../api-proxy/reply.js';
import type { AnyRequest, AnyResponse } from '../api-proxy/reply.js';
import { headOf, readBody } from '../api-proxy/read-request.js';
import { Refusal } from '../auth/refusal.js';
import type { WayOutConfig } from './config.js';
import { decideOutbound } from './decide-request.js';
import type { NotOutbound, Outbound } from './decide-request.js';
import { WayOutKnowledge } from './knowledge.js';
import { wayOutMetrics } from './metrics.js';
import type { WayOutMetrics } from './metrics.js';
import { OpenRequests } from './open-requests.js';
import { failureOf, failureOfProbe, forbiddenTo } from './outcome.js';
import type { PeerFailure } from './outcome.js';
import { Reaches } from './reach.js';
import { PeerConnections } from './upstream.js';

const drainMs = 10_000;
/** Before all was read nobody can be told that his credential is wrong. */
const notReadYet: NotOutbound = {
  ok: false,
  status: 503,
  reason: 'not-ready',
  message: 'the way out has not read its peers yet; ask again in a moment',
};

export interface WayOutParts {
  readonly config: WayOutConfig;
  readonly client: KubeClient;
  readonly logger: Logger;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface RunningWayOut {
  readonly httpsPort: number;
  readonly httpPort: number;
  drain(): Promise<void>;
}

/**
 * The way out (product section 7): local readers reach every peer's API server at a stable address with a stable credential; this side adds a
 * fresh token to every request and checks the peer's certificate, so that keys rotate without any reader noticing.
 */
export class WayOut {
  readonly #parts: WayOutParts;
  readonly #knowledge: WayOutKnowledge;
  readonly #open: OpenRequests;
  readonly #metrics: WayOutMetrics;
  readonly #reaches: Reaches;
  readonly #registry = createRegistry('way-out');
  readonly #health = new Health();
  readonly #probing = new Set<string>();
  readonly #connections = new Map<string, { readonly peer: WayOutPeer; readonly to: PeerConnections }>();

  constructor(parts: WayOutParts) {
    this.#parts = parts;
    const { config, client, logger, now } = parts;
    this.#knowledge = new WayOutKnowledge({ client, namespace: config.namespace, logger });
    this.#open = new OpenRequests(config);
    this.#metrics = wayOutMetrics(this.#registry, this.#open);
    this.#reaches = new Reaches(now);
    this.#health.need('peers and keys', () => {
      const missing = this.#knowledge.missing();
      return { ok: missing.length === 0, detail: missing.join('; ') };
    });
  }

  async start(): Promise<RunningWayOut> {
    const { config, logger } = this.#parts;
    const stop = new AbortController();
    this.#knowledge.onChange(() => this.#review());
    this.#knowledge.start(stop.signal);
    const side = await startHealthServer({
      health: this.#health,
      registry: this.#registry,
      port: config.httpPort,
      host: config.host,
      logger,
      pages: { '/healthz/peers': () => this.#reaches.all() },
    });
    const listener = await listen({
      host: config.host,
      port: config.httpsPort,
      tlsDirectory: config.tlsDirectory,
      logger,
      onRequest: (request, response) => void this.#answer(request, response),
      onGarbage: ({ status }) => this.#metrics.requests.inc({ peer: '', verb: 'none', status: String(status) }),
    });
    const probing = setInterval(() => this.#probe(), Math.min(1_000, config.probeMs));
    logger.info({ httpsPort: listener.port, httpPort: side.port }, 'the way out is open');
    return {
      httpsPort: listener.port,
      httpPort: side.port,
      drain: async () => {
        this.#health.drain();
        clearInterval(probing);
        await this.#drain(listener);
        stop.abort(new Error('drained'));
        await side.close();
      },
    };
  }

  async #drain(listener: Listener): Promise<void> {
    await new Promise((done) => setTimeout(done, this.#parts.config.drainDelayMs));
    this.#open.endWatches('draining');
    await listener.drain(drainMs);
    await Promise.all([...this.#connections.values()].map(({ to }) => to.close()));
  }

  /** Peers or credentials may have gone: what belongs to them ends now, and so do their connections. */
  #review(): void {
    const { registry } = this.#knowledge;
    this.#open.review(registry);
    this.#reaches.keepOnly(new Set(registry.peers.map(({ name }) => name)));
    for (const [name, { peer, to }] of this.#connections) {
      const now = registry.peers.find((each) => each.name === name);
      if (now !== undefined && sameWay(now, peer)) {
        this.#connections.set(name, { peer: now, to });
        continue;
      }
      this.#connections.delete(name);
      void to.close();
    }
  }

  async #answer(request: AnyRequest, response: AnyResponse): Promise<void> {
    const { config, logger } = this.#parts;
    const decision = this.#knowledge.hasSynced ? decideOutbound(headOf(request), this.#knowledge.registry) : notReadYet;
    const verb = decision.ok ? decision.asked.verb : 'none';
    const peer = decision.ok ? decision.peer.name : '';
    const reply = new Reply(response, verb === 'watch', config.stuckMs);
    request.on('error', () => reply.end('closed'));
    void reply.ended.then((end) => {
      this.#metrics.requests.inc({ peer, verb, status: String(reply.status) });
      this.#metrics.bytes.inc({ peer }, reply.bytes);
      this.#metrics.ends.inc({ end });
    });
    if (!decision.ok) {
      const { status, message } = decision;
      reply.fail({ status, message, ...(status === 503 ? { retryAfterSeconds: 1 } : {}) });
      return;
    }
    try {
      await this.#forward(decision, request, reply);
    } catch (error) {
      if (!(error instanceof Refusal)) logger.error({ err: error, peer }, 'way out: a request failed');
      const status = error instanceof Refusal ? error.getStatus() : 500;
      reply.fail({ status, message: error instanceof Refusal ? error.message : 'internal error' });
    }
  }

  async #forward({ peer, reader, asked }: Outbound, request: AnyRequest, reply: Reply): Promise<void> {
    if (!this.#open.add(peer, reader, reply)) {
      reply.fail({ status: 429, message: 'this reader holds too many requests open', retryAfterSeconds: 1 });
      return;
    }
    const body = asked.verb === 'create' ? await readBody(request) : undefined;
    if (reply.over) return;
    new Forwarding({
      passthrough: this.#connectionsTo(peer).upstream(),
      words: this.#wordsFor(peer, reader, asked),
      reply,
      logger: this.#parts.logger,
      onBytes: () => 0,
      request: {
        method: asked.verb === 'create' ? 'POST' : 'GET',
        target: `${asked.path}${queryText(asked.query)}`,
        headers: passedHeaders(headOf(request).headers, asked.verb),
        body,
        long: reply.watch,
      },
    }).start();
  }

  #wordsFor({ name, apiHost }: WayOutPeer, { reader }: WayOutReader, { resource, verb }: Allowed): ForwardWords {
    return {
      failureOf: (what) => failureOf(apiHost, what),
      onOutcome: (failure, status) => {
        this.#reaches.note(name, failure as PeerFailure | undefined);
        // What some other reader may not do is between him and the peer; without this there is no registry.
        if (failure === undefined && reader === meshReader)
          this.#reaches.noteRight(
            name,
            resource,
            status === 403 ? forbiddenTo(apiHost, `${verb} ${resource}`) : undefined,
          );
      },
    };
  }

  #connectionsTo(peer: WayOutPeer): PeerConnections {
    const known = this.#connections.get(peer.name);
    if (known !== undefined) return known.to;
    const { now } = this.#parts;
    const identity = (): ReturnType<ConstructorParameters<typeof PeerConnections>[0]['identity']> => ({
      clusterUUID: this.#knowledge.clusterUUID,
      keys: this.#knowledge.tokenKeys,
    });
    const current = (): WayOutPeer => this.#connections.get(peer.name)?.peer ?? peer;
    const to = new PeerConnections({ peer: current, rule: (ip) => this.#forbidden(ip), now, identity });
    this.#connections.set(peer.name, { peer, to });
    return to;
  }

  /** Our own API server, by the address that we use and by those that the controller sees it listen on. */
  #forbidden(ip: string): string | undefined {
    const used = new URL(this.#parts.client.server).hostname.replace(/^\[|\]$/g, '');
    return forbiddenAddress(ip, { ownAddresses: [used, ...this.#knowledge.registry.ownAddresses] });
  }

  /** Peers that nobody asks are asked now and then, so that their state is known before it matters. */
  #probe(): void {
    const { peers } = this.#knowledge.registry;
    const idle = new Set(
      this.#reaches.idle(
        peers.map(({ name }) => name),
        this.#parts.config.probeMs,
      ),
    );
    for (const peer of peers) if (idle.has(peer.name)) void this.#probeOne(peer);
  }

  async #probeOne(peer: WayOutPeer): Promise<void> {
    if (this.#probing.has(peer.name)) return;
    this.#probing.add(peer.name);
    const answer = await this.#connectionsTo(peer)
      .version()
      .catch((error: unknown) => error as Error);
    this.#probing.delete(peer.name);
    if (this.#knowledge.registry.peers.some(({ name }) => name === peer.name))
      this.#reaches.note(peer.name, failureOfProbe(peer.apiHost, answer));
  }
}

/** The same server, for the same cluster, verified or not; readers may differ, and who vouches for its certificate: that is asked at the next connection. */
function sameWay(a: WayOutPeer, b: WayOutPeer): boolean {
  return a.apiHost === b.apiHost && a.audience === b.audience && a.insecureSkipVerify === b.insecureSkipVerify;
}
