import { createHash, timingSafeEqual } from 'node:crypto';
import type { WayOutPeer, WayOutReader, WayOutRegistry } from '#model';
import { decideRequest } from '../api-proxy/decide-request.js';
import type { Allowed } from '../api-proxy/decide-request.js';
import { valuesOf } from '../api-proxy/request-head.js';
import type { RequestHead } from '../api-proxy/request-head.js';

/** A request that may leave: whose it is, to whom, and what is asked there. */
export interface Outbound {
  readonly ok: true;
  readonly peer: WayOutPeer;
  readonly reader: WayOutReader;
  readonly asked: Allowed;
}

export interface NotOutbound {
  readonly ok: false;
  readonly status: number;
  readonly reason: string;
  readonly message: string;
}

const prefix = /^\/peers\/([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(\/.*)$/s;

/**
 * Decides what becomes of a local reader's request. The same list of readable things holds as at the other side's door: what is refused
 * there is not sent. A credential is good for one peer only.
 */
export function decideOutbound(head: RequestHead, registry: WayOutRegistry): Outbound | NotOutbound {
  const match = prefix.exec(head.target);
  if (match === null)
    return { ok: false, status: 404, reason: 'path', message: 'ask for /peers/<name of the IstioMulticluster>/…' };
  const asked = decideRequest({ ...head, target: match[2] ?? '/' });
  if (!asked.ok && asked.status !== 403) return asked;
  const token = credentialOf(head);
  if (token === undefined)
    return { ok: false, status: 401, reason: 'no-credential', message: 'send "Authorization: Bearer <credential>"' };
  const peer = registry.peers.find(({ name }) => name === match[1]);
  const reader = peer?.readers.find(({ sha256 }) => isHashOf(sha256, token));
  // Whether a peer exists is not told to who has no credential for it.
  if (peer === undefined || reader === undefined)
    return { ok: false, status: 401, reason: 'credential', message: 'this credential is for no such peer' };
  return asked.ok ? { ok: true, peer, reader, asked } : asked;
}

function credentialOf({ headers }: RequestHead): string | undefined {
  const [value = ''] = valuesOf(headers, 'authorization');
  return /^Bearer ([\x21-\x7e]{1,512})$/i.exec(value)?.[1];
}

function isHashOf(sha256: string, credential: string): boolean {
  const expected = Buffer.from(sha256, 'hex');
  const given = createHash('sha256').update(credential).digest();
  return expected.length === given.length && timingSafeEqual(expected, given);
}
