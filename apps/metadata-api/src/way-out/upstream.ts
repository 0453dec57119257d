import { isIP } from 'node:net';
import { buildConnector } from 'undici';
import type { Dispatcher } from 'undici';
import { Exchanges, withCredential } from '#kube';
import type { ExchangeRequest, PassthroughRequest } from '#kube';
import type { WayOutPeer } from '#model';
import { guardAddress } from '#peer-client';
import type { AddressRule } from '#peer-client';
import type { Upstream } from '../api-proxy/forward.js';
import type { TokenKeys } from './signing-keys.js';
import { TokenStock } from './token-stock.js';

const connectTimeoutMs = 5_000;
const headersTimeoutMs = 30_000;
const idleConnectionMs = 60_000;
/** A dead peer is noticed so soon on connections where only silent watches are open. */
const pingMs = 10_000;
const mostVersionBytes = 64 * 1024;

/** An address of a peer that must not be connected to (trust rule 15). */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError';
}

/** This cluster has no key to sign a token with. */
export class NoKeyError extends Error {
  override readonly name = 'NoKeyError';
}

export interface PeerConnectionsOptions {
  /** The peer as the registry has it at this moment: its certificate may be vouched for by others from the next connection on. */
  readonly peer: () => WayOutPeer;
  readonly rule: AddressRule;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Our own cluster UUID and keys as they are at this moment. */
  readonly identity: () => { readonly clusterUUID: string | undefined; readonly keys: TokenKeys };
}

/** What is known of an answer before its body. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];
}

/** Connections to one peer's API server, its certificate checked, its address judged on every connect. */
export class PeerConnections {
  readonly #options: PeerConnectionsOptions;
  readonly #exchanges: Exchanges;
  readonly #tokens: TokenStock;

  constructor(options: PeerConnectionsOptions) {
    this.#options = options;
    const { peer, rule, now } = options;
    this.#tokens = new TokenStock(now);
    this.#exchanges = new Exchanges({
      origin: `https://${peer().apiHost}`,
      connector: (allowH2) => guardedConnector(peer(), rule, allowH2),
      headersTimeoutMs,
      idleConnectionMs,
      pingMs,
    });
  }

  /** One request's way to the peer: a token of its own for every attempt, by the key before on the second. */
  upstream(): Upstream {
    let refused = false;
    return {
      refresh: () => {
        refused = true;
      },
      send: async (request, handler) => this.#exchanges.send(await this.#dispatch(request, refused), handler),
    };
  }

  /** Asks for the peer's version: status and headers of the answer, by whichever key it takes. Rejects without an answer. */
  async version(): Promise<AnswerHead> {
    const headers = { accept: 'application/json' };
    const request: PassthroughRequest = { method: 'GET', target: '/version', headers, long: false };
    const first = await this.#ask(request, false);
    return first.status === 401 ? this.#ask(request, true) : first;
  }

  close(): Promise<void> {
    return this.#exchanges.close();
  }

  #ask(request: PassthroughRequest, second: boolean): Promise<AnswerHead> {
    return new Promise((resolve, reject) => {
      let bytes = 0;
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, status, headers) => {
          if (status >= 200) resolve({ status, headers });
        },
        // It tells nothing more, and a peer could make it endless.
        onResponseData: (controller, chunk) => {
          bytes += chunk.length;
          if (bytes > mostVersionBytes) controller.abort(new Error('too much for a version'));
        },
        onResponseEnd: () => undefined,
        onResponseError: (_controller, error) => reject(error),
      };
      this.#dispatch(request, second)
        .then((exchange) => this.#exchanges.send(exchange, handler))
        .catch(reject);
    });
  }

  async #dispatch(request: PassthroughRequest, second: boolean): Promise<ExchangeRequest> {
    const { peer, identity } = this.#options;
    const { clusterUUID, keys } = identity();
    const key = second ? (keys.previous ?? keys.current) : keys.current;
    if (clusterUUID === undefined || key === undefined) throw new NoKeyError('this cluster has no signing key yet');
    const token = await this.#tokens.take({ key, subject: clusterUUID, audience: peer().audience });
    return withCredential(request, { authorization: `Bearer ${token}` });
  }
}

function guardedConnector(peer: WayOutPeer, rule: AddressRule, allowH2: boolean): buildConnector.connector {
  const connect = buildConnector({
    allowH2,
    timeout: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelay: pingMs,
    rejectUnauthorized: !peer.insecureSkipVerify,
    ...(peer.ca === undefined ? {} : { ca: peer.ca }),
  } as buildConnector.BuildOptions);
  return (options, callback) => {
    const host = options.hostname.replace(/^\[|\]$/g, '');
    guardAddress(host, rule)
      .then((guarded) => {
        if (guarded.kind === 'refused') throw new AddressRefusedError(guarded.message);
        if (guarded.kind === 'unresolved') throw new Error(guarded.message);
        const [address = host] = guarded.addresses;
        // The name stays what the certificate must be for; the address is the one that was judged.
        const servername = isIP(host) === 0 ? host : '';
        connect({ ...options, hostname: address, host: address, servername }, callback);
      })
      .catch((error: unknown) => callback(error as Error, null));
  };
}
