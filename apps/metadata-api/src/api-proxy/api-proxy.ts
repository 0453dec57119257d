import { peerAccountName, peerKey } from '#model';
import type { TrustedPeer } from '#model';
import type { Passthrough } from '#kube';
import type { Logger, Registry } from '#platform';
import type { ReplayRecord } from '#store';
import type { Auditor } from '../audit.js';
import { Refusal } from '../auth/refusal.js';
import { sourceKey, TokenBuckets } from '../auth/token-bucket.js';
import { UsedTokens } from '../auth/used-tokens.js';
import type { ApiProxyConfig, DoorConfig } from '../config.js';
import type { CutReport } from '../cut-report.js';
import type { Knowledge } from '../documents/knowledge.js';
import type { ConnectionBound } from '../http/connection-bound.js';
import type { DoorMetrics } from '../metrics.js';
import { authenticate } from './authenticate.js';
import type { AuthenticateParts, Proof } from './authenticate.js';
import { ByteAllowance } from './byte-allowance.js';
import { decideRequest } from './decide-request.js';
import type { Allowed } from './decide-request.js';
import { forwardedHeaders, forwardedTarget, watchSeconds } from './forwarded.js';
import { Forwarding } from './forward.js';
import { listen } from './listener.js';
import type { Garbage, Listener } from './listener.js';
import { apiProxyMetrics } from './metrics.js';
import type { ApiProxyMetrics } from './metrics.js';
import { OpenReplies } from './open-replies.js';
import { meshConfigFor, noSecrets, ownList, ownWatch } from './own-answers.js';
import type { OwnAnswer } from './own-answers.js';
import { Reply } from './reply.js';
import type { AnyRequest, AnyResponse, ReplyEnd } from './reply.js';
import { headOf, readBody } from './read-request.js';
import { pathOf, valuesOf } from './request-head.js';
import type { RequestHead } from './request-head.js';

/** How much later than the API server we end a watch that it forgot. */
const forgottenMs = 5_000;

export interface ApiProxyParts {
  readonly config: DoorConfig;
  readonly knowledge: Knowledge;
  readonly passthrough: Passthrough;
  readonly auditor: Auditor;
  readonly replay: ReplayRecord;
  readonly cuts: CutReport;
  readonly doorMetrics: DoorMetrics;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly connections: ConnectionBound;
  readonly draining: () => boolean;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** What is known of a request while it is answered, for its audit row. */
interface Asked {
  readonly head: RequestHead;
  readonly sourceAddress: string | undefined;
  readonly started: number;
  peer?: TrustedPeer;
  allowed?: Allowed;
}

/** The read-only door to this cluster's API server (product section 7): judge, authenticate, bound, pass on, note. */
export class ApiProxy {
  readonly #parts: ApiProxyParts;
  readonly #config: ApiProxyConfig;
  readonly #open: OpenReplies;
  readonly #metrics: ApiProxyMetrics;
  readonly #sourceBuckets: TokenBuckets;
  readonly #authentication: AuthenticateParts;
  readonly #bytes: ByteAllowance;

  constructor(parts: ApiProxyParts) {
    this.#parts = parts;
    this.#config = parts.config.apiProxy;
    this.#open = new OpenReplies(this.#config);
    this.#metrics = apiProxyMetrics(parts.registry, this.#open);
    this.#sourceBuckets = new TokenBuckets(parts.config.sourceLimit);
    this.#authentication = {
      knowledge: parts.knowledge,
      usedTokens: new UsedTokens(parts.replay, parts.now),
      peerBuckets: new TokenBuckets(this.#config.peerLimit),
      metrics: parts.doorMetrics,
      now: parts.now,
    };
    this.#bytes = new ByteAllowance(this.#config.bytesPerSecond);
  }

  async start(): Promise<Listener> {
    const { config, knowledge, logger, connections } = this.#parts;
    const listener = await listen({
      host: config.host,
      port: this.#config.port,
      tlsDirectory: config.tlsDirectory,
      logger,
      connections,
      onRequest: (request, response) => void this.#answer(request, response),
      onGarbage: (garbage) => this.#noteGarbage(garbage),
    });
    const unlisten = knowledge.onChange(() => this.#review());
    return {
      port: listener.port,
      drain: async (graceMs) => {
        this.#open.endWatches('draining');
        await listener.drain(graceMs);
        unlisten();
      },
    };
  }

  /** Trust may have changed: what it no longer covers ends now. */
  #review(): void {
    const { knowledge } = this.#parts;
    this.#open.endUntrusted((peer) => knowledge.standingOf(peer, 'api'));
    this.#bytes.keepOnly(new Set(knowledge.registry.peers.map(peerKey)));
  }

  async #answer(request: AnyRequest, response: AnyResponse): Promise<void> {
    const head = headOf(request);
    const asked: Asked = { head, sourceAddress: request.socket.remoteAddress, started: performance.now() };
    const decision = decideRequest(head);
    const watch = decision.ok && decision.verb === 'watch';
    const reply = new Reply(response, watch, this.#config.stuckMs);
    request.on('error', () => reply.end('closed'));
    let detail: string | undefined;
    void reply.ended.then((end) => {
      this.#note(asked, reply, detail ?? end);
      if (end === 'untrusted' && asked.peer !== undefined)
        this.#parts.cuts.note(asked.peer, watch ? 'watch' : 'request');
    });
    try {
      this.#limitSource(asked);
      if (!decision.ok && decision.status !== 403)
        throw new Refusal(decision.status, decision.reason, decision.message);
      const proof = await authenticate(this.#authentication, head.headers);
      asked.peer = proof.peer;
      if (!decision.ok) {
        await proof.unused;
        throw new Refusal(decision.status, decision.reason, decision.message);
      }
      asked.allowed = decision;
      this.#bound(proof.peer, reply);
      await Promise.all([this.#pass(proof, decision, request, reply), proof.unused]);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : this.#unexpected(error);
      detail = refusal.reason;
      asked.peer ??= refusal.more.peer as TrustedPeer;
      this.#parts.doorMetrics.refusals.inc({ reason: refusal.reason });
      const { retryAfterSeconds } = refusal.more;
      reply.fail({ status: refusal.getStatus(), message: refusal.message, retryAfterSeconds });
    }
  }

  #unexpected(error: unknown): Refusal {
    this.#parts.logger.error({ err: error }, 'api proxy: a request failed');
    return new Refusal(500, 'internal', 'internal error');
  }

  #limitSource({ sourceAddress }: Asked): void {
    const wait = this.#sourceBuckets.take(sourceKey(sourceAddress), this.#parts.now());
    if (wait > 0) {
      throw new Refusal(429, 'source-limit', 'too many requests from this address; slow down', {
        retryAfterSeconds: wait,
      });
    }
  }

  /** Counts the answer among the peer's open ones, or refuses it. */
  #bound(peer: TrustedPeer, reply: Reply): void {
    if (this.#parts.draining() && reply.watch) {
      throw new Refusal(503, 'draining', 'this replica is going away; connect again', { peer, retryAfterSeconds: 1 });
    }
    if (!this.#open.hasRoomFor(peer, reply.watch)) {
      const reason = reply.watch ? 'watch-limit' : 'request-limit';
      throw new Refusal(429, reason, 'this peer holds too many requests open', { peer, retryAfterSeconds: 1 });
    }
    this.#open.add(peer, reply);
  }

  /** Only what reads is asked of the API server while the store is asked about the token. */
  async #pass({ peer, unused }: Proof, allowed: Allowed, request: AnyRequest, reply: Reply): Promise<void> {
    const { random } = this.#parts;
    if (allowed.answer !== 'forward') await unused;
    if (reply.over) return;
    const seconds = watchSeconds(allowed.query.get('timeoutSeconds'), this.#config.watchLifeMs, random());
    const own = this.#ownAnswer(allowed);
    if (own !== undefined) {
      answerOurselves(own, { allowed, request, seconds }, reply);
      return;
    }
    if (allowed.answer === 'review' && peer.allowReviews !== true) {
      throw new Refusal(403, 'reviews', 'reviews are not open to this peer', { peer });
    }
    const body = allowed.answer === 'review' ? await readBody(request) : undefined;
    if (reply.over) return;
    if (reply.watch) endAfter(reply, seconds * 1000 + forgottenMs);
    this.#forward(peer, { allowed, head: headOf(request), seconds, body, mayAnswer: unused }, reply);
  }

  #forward(
    peer: TrustedPeer,
    asked: {
      allowed: Allowed;
      head: RequestHead;
      seconds: number;
      body: Uint8Array | undefined;
      mayAnswer: Promise<void>;
    },
    reply: Reply,
  ): void {
    const { passthrough, logger, config, now } = this.#parts;
    const { allowed, head, seconds, body, mayAnswer } = asked;
    const account = `system:serviceaccount:${config.peersNamespace}:${peerAccountName(peer.name)}`;
    const key = peerKey(peer);
    const forwarding = new Forwarding({
      passthrough,
      reply,
      logger,
      mayAnswer,
      onBytes: (bytes) => this.#bytes.take(key, bytes, now()),
      request: {
        method: allowed.verb === 'create' ? 'POST' : 'GET',
        target: forwardedTarget(allowed, seconds),
        headers: forwardedHeaders(head.headers, allowed.verb, account),
        body,
        long: reply.watch,
      },
    });
    forwarding.start();
  }

  #ownAnswer({ answer, path, query }: Allowed): OwnAnswer | undefined {
    if (answer === 'no-secrets') return noSecrets;
    if (answer !== 'mesh-config') return undefined;
    const { trustDomain } = this.#parts.knowledge;
    if (trustDomain === undefined)
      throw new Refusal(503, 'starting', 'this cluster has not said yet who it is', { retryAfterSeconds: 1 });
    return meshConfigFor(path, query, trustDomain);
  }

  /** Nobody has proved who he is yet. A connection that just broke is none of what was asked. */
  #noteGarbage({ code, status, sourceAddress }: Garbage): void {
    const { auditor, doorMetrics } = this.#parts;
    const reason = code === 'CONNECT' ? 'method' : code.startsWith('HPE_') ? 'no-http' : 'connection';
    doorMetrics.refusals.inc({ reason });
    if (status === 0) return;
    const action = code === 'CONNECT' ? 'CONNECT' : 'no request';
    auditor.note({ peer: undefined, action, status, detail: code, sourceAddress });
  }

  #note({ head, peer, allowed, sourceAddress, started }: Asked, reply: Reply, end: ReplyEnd | string): void {
    const { auditor } = this.#parts;
    const verb = allowed?.verb ?? 'none';
    const status = String(reply.status);
    this.#metrics.requests.inc({ verb, status });
    this.#metrics.bytes.inc({ verb }, reply.bytes);
    if (!reply.watch) this.#metrics.duration.observe({ verb }, (performance.now() - started) / 1000);
    if (allowed !== undefined) this.#metrics.ends.inc({ end: reply.status >= 400 ? 'refused' : end });
    const detail = allowed === undefined ? end : `${verb} ${allowed.resource} ${end} bytes=${reply.bytes}`;
    auditor.note({
      peer,
      action: `${head.method} ${pathOf(head.target)}`,
      status: reply.status,
      detail,
      sourceAddress,
    });
  }
}

/** In good form, and never asked of the API server. */
function answerOurselves(
  own: OwnAnswer,
  { allowed, request, seconds }: { allowed: Allowed; request: AnyRequest; seconds: number },
  reply: Reply,
): void {
  const accept = valuesOf(headOf(request).headers, 'accept').join(', ');
  reply.begin(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  if (!reply.watch) {
    reply.write(Buffer.from(ownList(own, accept)));
    reply.end('done');
    return;
  }
  const first = ownWatch(own, accept, allowed.query);
  if (first !== '') reply.write(Buffer.from(first));
  endAfter(reply, seconds * 1000);
}

function endAfter(reply: Reply, ms: number): void {
  const timer = setTimeout(() => reply.end('over'), ms);
  void reply.ended.then(() => clearTimeout(timer));
}
