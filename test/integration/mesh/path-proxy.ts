import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:https';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeServingCertificate } from '../../harness/serving-certificate.js';

/**
 * How the proxy behaves: passes everything on; answers nothing; knows no such path; answers a web page; says of every watch that its
 * version is too old, and cuts every list in the middle.
 */
export type Mood = 'pass' | 'silent' | 'unknown' | 'html' | 'relist-cut';

/** Serves an API server under a path, as proxies between clusters do, and can be told to misbehave. */
export class PathProxy {
  mood: Mood = 'pass';
  /** Requests that begin to read a collection from nothing. */
  lists = 0;
  readonly #server: Server;
  readonly #directory: string;
  readonly #open = new Set<{ destroy(): void }>();

  private constructor(
    readonly ca: string,
    readonly prefix: string,
    target: { readonly server: string; readonly ca: string },
    directory: string,
  ) {
    this.#directory = directory;
    const [key, cert] = ['tls.key', 'tls.crt'].map((file) => readFileSync(join(directory, file)));
    this.#server = createServer({ ...(key && { key }), ...(cert && { cert }) }, (incoming, answer) =>
      this.#serve(target, incoming, answer),
    );
  }

  static async start(prefix: string, target: { readonly server: string; readonly ca: string }): Promise<PathProxy> {
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-path-'));
    const proxy = new PathProxy(await writeServingCertificate(directory), prefix, target, directory);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.prefix}`;
  }

  /** Changes the mood and cuts everything that is open, so that it shows at once. */
  become(mood: Mood): void {
    this.mood = mood;
    for (const each of this.#open) each.destroy();
  }

  stop(): void {
    this.become('silent');
    this.#server.close();
    this.#server.closeAllConnections();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #serve(target: { readonly server: string; readonly ca: string }, incoming: IncomingMessage, answer: ServerResponse) {
    const path = incoming.url ?? '';
    const fromNothing = path.includes('sendInitialEvents');
    if (fromNothing) this.lists += 1;
    this.#open.add(answer);
    answer.on('close', () => this.#open.delete(answer));
    if (this.mood === 'silent') return;
    if (this.mood === 'html') {
      answer.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>Welcome</body></html>');
      return;
    }
    if (this.mood === 'unknown' || !path.startsWith(this.prefix)) {
      answer.writeHead(404, { 'content-type': 'text/plain' }).end('no such peer');
      return;
    }
    if (this.mood === 'relist-cut' && path.includes('watch=true') && !fromNothing) {
      answer.writeHead(410, { 'content-type': 'application/json' }).end('{"kind":"Status","code":410}');
      return;
    }
    const { method, headers } = incoming;
    const url = new URL(`${target.server}${path.slice(this.prefix.length)}`);
    const forward = httpsRequest(url, { method, ca: target.ca, headers: { ...headers, host: url.host } }, (reply) => {
      answer.writeHead(reply.statusCode ?? 500, reply.headers).flushHeaders();
      if (this.mood === 'relist-cut' && fromNothing) {
        reply.once('data', (chunk: Buffer) => {
          answer.write(chunk.subarray(0, Math.max(0, chunk.indexOf('\n') + 1)));
          setTimeout(() => answer.destroy(), 50);
        });
      } else reply.pipe(answer);
    });
    forward.on('error', () => answer.destroy());
    answer.on('close', () => forward.destroy());
    incoming.pipe(forward);
  }
}
