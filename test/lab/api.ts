import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';

/** An object of the Kubernetes API as the lab sees it: it reads what it needs and checks as it goes. */
export interface ApiObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
    readonly uid?: string;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
  };
  readonly [field: string]: unknown;
}

/** An answer of the API server other than 2xx. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    request: string,
    body: string,
  ) {
    super(`${request}: ${status} ${statusMessage(body)}`);
  }
}

export interface ApiAccess {
  readonly host: string;
  readonly port: number;
  readonly ca: string;
  readonly token: string;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

const deadlineMs = 30_000;

/**
 * A small client of one API server. The lab has its own so that a fault in the product's client can't hide in the
 * tests that use the lab.
 */
export class LabApi {
  private readonly agent: Agent;

  constructor(private readonly access: ApiAccess) {
    this.agent = new Agent({ keepAlive: true, maxSockets: 16, ca: access.ca });
  }

  /** The object at a path such as `/api/v1/namespaces/demo/pods/x`; undefined when there is none. */
  async get<T = ApiObject>(path: string): Promise<T | undefined> {
    try {
      return JSON.parse(await this.call({ method: 'GET', path })) as T;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async list<T = ApiObject>(path: string): Promise<{ readonly items: readonly T[]; readonly resourceVersion: string }> {
    const answer = JSON.parse(await this.call({ method: 'GET', path })) as {
      items?: readonly T[] | null;
      metadata: { resourceVersion: string };
    };
    return { items: answer.items ?? [], resourceVersion: answer.metadata.resourceVersion };
  }

  /** Server-side apply; fields that others own are taken over. */
  async apply<T = ApiObject>(path: string, object: object): Promise<T> {
    const query = `${path.includes('?') ? '&' : '?'}fieldManager=lab&force=true`;
    const body = JSON.stringify(object);
    const contentType = 'application/apply-patch+yaml';
    return JSON.parse(await this.call({ method: 'PATCH', path: path + query, body, contentType })) as T;
  }

  /** Merge patch. */
  async patch<T = ApiObject>(path: string, change: object): Promise<T> {
    const body = JSON.stringify(change);
    return JSON.parse(
      await this.call({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' }),
    ) as T;
  }

  async create<T = ApiObject>(path: string, object: object): Promise<T> {
    return JSON.parse(await this.call({ method: 'POST', path, body: JSON.stringify(object) })) as T;
  }

  /** Deletes; an object that is already gone is no error. */
  async delete(path: string): Promise<void> {
    try {
      await this.call({ method: 'DELETE', path });
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }

  /** Body of any answer of 2xx, as text. */
  async text(path: string): Promise<string> {
    return this.call({ method: 'GET', path });
  }

  /** Events of a watch (`{type, object}`) until the server or the signal ends it. */
  async *watch<T = ApiObject>(path: string, signal: AbortSignal): AsyncGenerator<{ type: string; object: T }> {
    const response = await this.open({ method: 'GET', path, signal });
    if (response.statusCode !== 200)
      throw new ApiError(response.statusCode ?? 0, `GET ${path}`, await bodyOf(response));
    for await (const line of createInterface({ input: response })) {
      if (line !== '') yield JSON.parse(line) as { type: string; object: T };
    }
  }

  close(): void {
    this.agent.destroy();
  }

  private async call(call: Call): Promise<string> {
    const response = await this.open({ ...call, signal: call.signal ?? AbortSignal.timeout(deadlineMs) });
    const body = await bodyOf(response);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw new ApiError(status, `${call.method} ${call.path}`, body);
    return body;
  }

  private open(call: Call): Promise<IncomingMessage> {
    const { host, port, token } = this.access;
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host,
          port,
          path: call.path,
          method: call.method,
          agent: this.agent,
          headers: {
            authorization: `Bearer ${token}`,
            accept: 'application/json',
            ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
          },
          ...(call.signal === undefined ? {} : { signal: call.signal }),
        },
        resolve,
      );
      outgoing.on('error', reject);
      outgoing.end(call.body);
    });
  }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function statusMessage(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body;
  } catch {
    return body.slice(0, 300);
  }
}
