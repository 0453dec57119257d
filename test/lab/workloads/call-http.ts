import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { parsed, round, runCaller } from './calls.js';
import type { Caller, CallOptions, CallResult } from './calls.js';

/** Plain HTTP/1.1 over one kept connection. */
export function httpCaller(): Caller {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return { call: (options) => callHttp(agent, options), close: () => agent.destroy() };
}

function callHttp(agent: Agent, options: CallOptions): Promise<CallResult> {
  const started = performance.now();
  const elapsed = (): number => round(performance.now() - started);
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve({ ok: false, error: describe(error), ms: elapsed() });
    const outgoing = request(
      options.target,
      {
        agent,
        method: options.method,
        headers: Object.fromEntries(options.headers),
        signal: AbortSignal.timeout(options.timeoutMs),
      },
      (response) => {
        readAnswer(response).then((answer) => resolve({ ...answer, ms: elapsed() }), failed);
      },
    );
    outgoing.on('error', failed);
    outgoing.end(options.body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Omit<CallResult, 'ms'>> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const status = response.statusCode ?? 0;
  const body = parsed(Buffer.concat(chunks).toString('utf8'));
  return { ok: status >= 200 && status < 400, status, headers: response.headers, body };
}

function describe(error: Error & { code?: string }): string {
  return [error.code, error.message].filter((text) => text !== undefined && text !== '').join(' ') || error.name;
}

if (process.argv[1]?.endsWith('call-http.js') === true) await runCaller('call-http', httpCaller);
