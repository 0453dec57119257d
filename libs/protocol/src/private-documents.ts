import { compareText, isFields } from '#model';
import type { GatewayAddress, PublicService, PublicServicePort } from '#model';
import { refuse } from './fault.js';
import type { Decoded, Fault } from './fault.js';
import { FaultList } from './fault-list.js';
import { gatewaysFrom, isAddress } from './gateways.js';
import { parseObject, signedFault } from './json.js';
import type { JsonObject } from './json.js';
import { limits } from './limits.js';
import { isPort } from './names.js';
import { servicesFrom } from './public-services.js';

/** What a federation document says, plain or inside `signed`. `faults`: services, ports and gateways that were left out. */
export interface FederationContent {
  readonly ingressGateways: readonly GatewayAddress[];
  readonly publicServices: readonly PublicService[];
  readonly faults: readonly Fault[];
}

export interface FederationDocument extends FederationContent {
  readonly signed?: string;
}

/** What a multicluster document says; `apiHost` is `host` or `host:port`. */
export interface MulticlusterContent {
  readonly ingressGateways: readonly GatewayAddress[];
  readonly apiHost: string;
  readonly networkName: string;
  readonly faults: readonly Fault[];
}

export interface MulticlusterDocument extends MulticlusterContent {
  readonly signed?: string;
}

/** Reads `federation.json`; never throws. Where the peer signs, only `federationContent` of the verified payload counts. */
export function decodeFederationDocument(text: string): Decoded<FederationDocument> {
  return decodeWith(text, federationContent);
}

/** Reads `multicluster.json`; never throws. */
export function decodeMulticlusterDocument(text: string): Decoded<MulticlusterDocument> {
  return decodeWith(text, multiclusterContent);
}

/** Checks parsed JSON, for example the verified payload of `signed`, as a federation document. */
export function federationContent(value: unknown): Decoded<FederationContent> {
  if (!isFields(value)) return refuse('(document)', value, "must be a JSON object; is metadataEndpoint the peer's?");
  if (saysNothing(value))
    return refuse(
      'publicServices',
      undefined,
      "neither this nor ingressGateways is there: no federation document; is metadataEndpoint the peer's?",
    );
  const gateways = listFrom(value, 'ingressGateways', Number.POSITIVE_INFINITY);
  if (!gateways.ok) return gateways;
  const services = listFrom(value, 'publicServices', limits.services);
  if (!services.ok) return services;
  const faults = new FaultList();
  const ingressGateways = gatewaysFrom(gateways.value, faults);
  const publicServices = servicesFrom(services.value, faults);
  return { ok: true, value: { ingressGateways, publicServices, faults: faults.list() } };
}

/** Checks parsed JSON as a multicluster document. */
export function multiclusterContent(value: unknown): Decoded<MulticlusterContent> {
  if (!isFields(value)) return refuse('(document)', value, "must be a JSON object; is metadataEndpoint the peer's?");
  const gateways = listFrom(value, 'ingressGateways', Number.POSITIVE_INFINITY);
  if (!gateways.ok) return gateways;
  const { apiHost, networkName } = value;
  if (typeof apiHost !== 'string' || !isApiHost(apiHost))
    return refuse('apiHost', apiHost, 'must be a host name or IP address, with :port where it is not 443');
  if (typeof networkName !== 'string' || !/^[0-9A-Za-z][0-9A-Za-z._-]*$/.test(networkName.slice(0, 300)))
    return refuse('networkName', networkName, 'must be letters, digits, dots, dashes and underscores');
  if (networkName.length > limits.networkNameCharacters)
    return refuse('networkName', networkName, `is longer than ${limits.networkNameCharacters} characters`);
  const faults = new FaultList();
  const ingressGateways = gatewaysFrom(gateways.value, faults);
  return { ok: true, value: { ingressGateways, apiHost, networkName, faults: faults.list() } };
}

/** Deterministic JSON: gateways, services and ports sorted, members in a fixed order. */
export function encodeFederationDocument(document: Omit<FederationDocument, 'faults'>): string {
  const { signed } = document;
  return JSON.stringify({ ...federationMembers(document), signed });
}

export function encodeMulticlusterDocument(document: Omit<MulticlusterDocument, 'faults'>): string {
  const { ingressGateways, apiHost, networkName, signed } = document;
  return JSON.stringify({ ingressGateways: sortedGateways(ingressGateways), apiHost, networkName, signed });
}

/** Sorted members of a federation document, without `signed`: also what is put into the signed payload. */
export function federationMembers(document: Pick<FederationContent, 'ingressGateways' | 'publicServices'>): {
  readonly ingressGateways: readonly GatewayAddress[];
  readonly publicServices: readonly PublicService[];
} {
  return {
    ingressGateways: sortedGateways(document.ingressGateways),
    publicServices: document.publicServices.map(encodedService).sort((a, b) => compareText(a.hostname, b.hostname)),
  };
}

/** An answer of something else, as `{"error":"maintenance"}` with 200, must not pass for a peer that offers nothing any more. */
function saysNothing({ ingressGateways, publicServices, signed }: JsonObject): boolean {
  return ingressGateways === undefined && publicServices === undefined && signed === undefined;
}

function decodeWith<T>(text: string, read: (value: unknown) => Decoded<T>): Decoded<T & { readonly signed?: string }> {
  const parsed = parseObject(text, limits.privateDocumentBytes);
  if (!parsed.ok) return parsed;
  const { signed } = parsed.value;
  const fault = signed === undefined ? undefined : signedFault(signed);
  if (fault !== undefined) return fault;
  const content = read(parsed.value);
  if (!content.ok) return content;
  return { ok: true, value: { ...content.value, ...(typeof signed === 'string' ? { signed } : {}) } };
}

function listFrom(document: JsonObject, field: string, most: number): Decoded<readonly unknown[]> {
  const value = document[field] ?? [];
  if (!Array.isArray(value))
    return refuse(field, value, 'must be a list; the peer must correct what its metadata API serves');
  if (value.length > most) return refuse(field, value, `holds more than ${most} entries; export fewer`);
  return { ok: true, value };
}

function isApiHost(text: string): boolean {
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?$/.exec(text.slice(0, 300));
  const [, host = text, port] = bracketed ?? /^([^:]*)(?::([0-9]{1,5}))?$/.exec(text) ?? [];
  return isAddress(host) && (bracketed !== null || !host.includes(':')) && (port === undefined || isPort(Number(port)));
}

function encodedService({ hostname, ports, subjectAltNames }: PublicService): PublicService {
  return {
    hostname,
    ports: ports.map(encodedPort).sort((a, b) => a.port - b.port || compareText(a.name, b.name)),
    ...(subjectAltNames === undefined ? {} : { subjectAltNames: [...subjectAltNames].sort() }),
  };
}

function encodedPort({ name, port, protocol }: PublicServicePort): PublicServicePort {
  return protocol === undefined ? { name, port } : { name, port, protocol };
}

function sortedGateways(gateways: readonly GatewayAddress[]): readonly GatewayAddress[] {
  return gateways
    .map(({ address, port }) => ({ address, port }))
    .sort((a, b) => compareText(a.address, b.address) || a.port - b.port);
}
