import { parse } from 'yaml';
import { isFields } from '#model';
import type { Fields } from '#model';
import { tokenAccess, type ClusterAccess } from './credentials.js';

/** A kubeconfig text that is not used; the message says what to change in it. */
export class KubeconfigRefusedError extends Error {
  override readonly name = 'KubeconfigRefusedError';
}

interface Entry {
  readonly name?: unknown;
}
interface ClusterEntry extends Entry {
  readonly cluster?: Readonly<Record<string, unknown>>;
}
interface UserEntry extends Entry {
  readonly user?: Readonly<Record<string, unknown>>;
}
interface ContextEntry extends Entry {
  readonly context?: { readonly cluster?: unknown; readonly user?: unknown };
}
interface Kubeconfig {
  readonly 'current-context'?: unknown;
  readonly clusters?: readonly ClusterEntry[];
  readonly users?: readonly UserEntry[];
  readonly contexts?: readonly ContextEntry[];
}

/** What would run a program, read a file of ours or trust anybody, and what to write instead. */
const refusedOfUser: Readonly<Record<string, string>> = {
  exec: 'runs a program: give the user an inline token',
  'auth-provider': 'needs a plugin: give the user an inline token',
  tokenFile: 'names a file: give the user an inline token',
  'client-certificate': 'names a file: give the user an inline token',
  'client-key': 'names a file: give the user an inline token',
  username: 'is a password login: give the user an inline token',
};
const refusedOfCluster: Readonly<Record<string, string>> = {
  'certificate-authority': 'names a file: use certificate-authority-data',
  'insecure-skip-tls-verify': 'trusts anybody: use certificate-authority-data',
  'proxy-url': 'is not supported: name an address that is reached directly',
};

/**
 * Access by the text of a kubeconfig that holds everything itself: https server, CA, token. It comes from a Secret that somebody else
 * wrote, so nothing in it may make this process run a program or read a file. Throws `KubeconfigRefusedError`.
 */
export function inlineKubeconfigAccess(text: string): ClusterAccess {
  const { cluster, user } = currentOf(readable(text));
  refuse('cluster', cluster, refusedOfCluster);
  refuse('user', user, refusedOfUser);
  const { server } = cluster;
  const { token } = user;
  if (typeof server !== 'string' || !isHttps(server)) throw refused('cluster.server is not an https URL');
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw refused('user.token is missing or no token');
  const access = tokenAccess(server, token, certificateOf(cluster['certificate-authority-data']));
  const name = cluster['tls-server-name'];
  if (typeof name !== 'string' || name === '') return access;
  return { ...access, tls: () => ({ ...access.tls(), servername: name }) };
}

function readable(text: string): Kubeconfig {
  let value: unknown;
  try {
    // Warnings and pretty errors of the parser show what it read, and that holds a credential.
    value = parse(text, { logLevel: 'error', prettyErrors: false });
  } catch {
    throw refused('it is not YAML');
  }
  if (typeof value !== 'object' || value === null) throw refused('it is not a YAML map');
  return value as Kubeconfig;
}

function currentOf(config: Kubeconfig): { readonly cluster: Fields; readonly user: Fields } {
  const contexts = listOf(config.contexts);
  const current = config['current-context'];
  const context = named(contexts, current)?.context ?? (contexts.length === 1 ? contexts[0]?.context : undefined);
  if (!isFields(context)) throw refused('current-context names no context');
  const cluster = named(listOf(config.clusters), context.cluster)?.cluster;
  const user = named(listOf(config.users), context.user)?.user;
  if (!isFields(cluster)) throw refused('its context names no cluster');
  if (!isFields(user)) throw refused('its context names no user');
  return { cluster, user };
}

function listOf<T>(value: readonly T[] | undefined): readonly T[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}

function named<T extends Entry>(entries: readonly T[], name: unknown): T | undefined {
  return entries.find((entry) => typeof name === 'string' && entry.name === name);
}

function refuse(where: string, fields: Fields, reasons: Readonly<Record<string, string>>): void {
  for (const [field, reason] of Object.entries(reasons)) {
    const value = fields[field];
    if (value !== undefined && value !== null && value !== '' && value !== false)
      throw refused(`${where}.${field} ${reason}`);
  }
}

function isHttps(server: string): boolean {
  if (!server.startsWith('https://') || !URL.canParse(server)) return false;
  const { username, password, search, hash } = new URL(server);
  return `${username}${password}${search}${hash}` === '';
}

function certificateOf(data: unknown): string | undefined {
  if (data === undefined || data === null || data === '') return undefined;
  const pem = typeof data === 'string' ? Buffer.from(data, 'base64').toString('utf8') : '';
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw refused('cluster.certificate-authority-data is no PEM certificate in base64');
  return pem;
}

function refused(why: string): KubeconfigRefusedError {
  return new KubeconfigRefusedError(`kubeconfig not usable: ${why}`);
}
