import { limits } from './limits.js';

const label = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const hostname = new RegExp(`^${label}(?:\\.${label})*$`);
const portName = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/;
const uuid = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** RFC 1123 host name in lower case. Whose domain it may lie in is judged by the planner. */
export function isHostname(text: string): boolean {
  return text.length <= limits.hostnameCharacters && hostname.test(text);
}

export function isPortName(text: string): boolean {
  return portName.test(text);
}

export function isClusterUUID(text: string): boolean {
  return text.length <= limits.clusterUUIDCharacters && uuid.test(text);
}

export function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** SPIFFE id by its syntax: `spiffe://<trust domain>/<path>`, no query, no white space. */
export function isSpiffeId(text: string): boolean {
  return text.length <= limits.subjectAltNameCharacters && /^spiffe:\/\/[0-9A-Za-z._-]+\/[0-9A-Za-z._/-]+$/.test(text);
}

const knownProtocols: ReadonlySet<string> = new Set([
  'HTTP',
  'HTTPS',
  'HTTP2',
  'GRPC',
  'GRPC-WEB',
  'TLS',
  'TCP',
  'MONGO',
  'MYSQL',
  'REDIS',
  'UDP',
]);

/** Istio's words for protocols, any case. */
export function isProtocol(text: string): boolean {
  return knownProtocols.has(text.toUpperCase());
}
