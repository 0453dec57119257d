// API servers that are not as they should be, as a peer's apiHost may turn out to be.
import { createServer } from 'node:https';
import type { ServerResponse } from 'node:http';
import { serverCertificate } from './tables.js';

/** What is wrong: no certificate of its own, a token that it holds for expired, no rights, no end to its thinking, a page for people. */
export type BadApi = 'wrong-certificate' | 'expired' | 'no-rights' | 'slow' | 'html';

const answers: Readonly<Record<BadApi, (response: ServerResponse) => void>> = {
  'wrong-certificate': (response) => response.end('{}'),
  expired: (response) => status(response, 401, 'Unauthorized', 'token is expired'),
  'no-rights': (response) => status(response, 403, 'Forbidden', 'nobody may do anything here'),
  slow: () => undefined,
  html: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>It works!</h1>'),
};

/** Listens on `host:port` until the process ends. */
export function startBadApi(
  where: string,
  kind: BadApi,
  folder: string,
  own: { readonly cert: string; readonly key: string },
): void {
  const [host = '', port = ''] = where.split(':');
  const files = kind === 'wrong-certificate' ? serverCertificate(folder, 'other', host) : own;
  createServer(files, (_request, response) => answers[kind](response)).listen(Number(port), host);
}

function status(response: ServerResponse, code: number, reason: string, message: string): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code }));
}
