import { Agent } from 'undici';
import type { Dispatcher } from 'undici';

/** How the peer's metadata endpoint is verified: `spec.metadata` of both kinds. */
export interface PeerTls {
  /** PEM bundle to trust instead of the system's roots. */
  readonly ca?: string;
  readonly insecureSkipVerify?: boolean;
}

/** Bounds of one request: bytes of body, milliseconds to the end of the body (or to the headers, for a stream). */
export interface RequestLimits {
  readonly maximumBytes: number;
  readonly deadlineMs: number;
}

export const defaultLimits: RequestLimits = { maximumBytes: 16 * 1024 * 1024, deadlineMs: 10_000 };

/** Pooled connections to one peer. A changed CA means a new connection object: close the old one. */
export class PeerConnection {
  readonly #agent: Agent;

  constructor(tls: PeerTls) {
    this.#agent = new Agent({
      connections: 4,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      maxHeaderSize: 16 * 1024,
      connect: {
        timeout: 5_000,
        rejectUnauthorized: tls.insecureSkipVerify !== true,
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      },
    });
  }

  /** One GET; never follows redirects. The caller reads or destroys the body. */
  async get(
    url: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    return this.#agent.request({
      origin: new URL(url).origin,
      path: new URL(url).pathname,
      method: 'GET',
      headers: { accept: 'application/json', 'user-agent': 'isthmus', ...headers },
      signal,
      bodyTimeout: 45_000,
      headersTimeout: 10_000,
    });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** Drops a body unread; its abort is our own doing and no error. */
export function discard(body: Dispatcher.ResponseData['body']): void {
  body.on('error', () => undefined);
  body.destroy();
}
