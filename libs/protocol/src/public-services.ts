import { isFields } from '#model';
import type { PublicService, PublicServicePort } from '#model';
import type { FaultList } from './fault-list.js';
import type { JsonObject } from './json.js';
import { limits } from './limits.js';
import { isHostname, isPort, isPortName, isProtocol, isSpiffeId } from './names.js';

/** Usable services of `publicServices`; one that breaks a rule is left out and told, the rest counts. */
export function servicesFrom(list: readonly unknown[], faults: FaultList): readonly PublicService[] {
  const services: PublicService[] = [];
  for (let index = 0; index < list.length; index += 1) {
    const service = serviceFrom(list[index], index, faults);
    if (service !== undefined) services.push(service);
  }
  return services;
}

function serviceFrom(item: unknown, index: number, faults: FaultList): PublicService | undefined {
  const at = (field: string): string => `publicServices[${index}]${field}`;
  if (!isFields(item)) {
    faults.add(
      'ServiceInvalid',
      at(''),
      item,
      'must be an object: left out; the peer must correct what its metadata API serves',
    );
    return undefined;
  }
  const { hostname, ports } = item;
  if (typeof hostname !== 'string' || !isHostname(hostname)) {
    faults.add(
      'DomainConflict',
      at('.hostname'),
      hostname,
      'must be a lower-case host name (RFC 1123, no wildcard): service left out; the peer must rename its Service or not export it',
    );
    return undefined;
  }
  if (!Array.isArray(ports) || ports.length === 0 || ports.length > limits.portsPerService) {
    faults.add(
      'ServiceInvalid',
      at('.ports'),
      ports,
      `must be a list of 1 to ${limits.portsPerService} ports: ${hostname} is left out; the peer must correct its Service`,
    );
    return undefined;
  }
  const names = identitiesFrom(item, at('.subjectAltNames'), faults);
  if (names === null) return undefined;
  const usable = portsFrom(ports, at('.ports'), faults);
  if (usable.length === 0) return undefined;
  return { hostname, ports: usable, ...(names === undefined ? {} : { subjectAltNames: names }) };
}

/** Ports with a name and a number; of two with one name or number the first counts. */
function portsFrom(list: readonly unknown[], field: string, faults: FaultList): readonly PublicServicePort[] {
  const ports: PublicServicePort[] = [];
  for (const [index, item] of list.entries()) {
    const port = portFrom(item, `${field}[${index}]`, faults);
    if (port === undefined) continue;
    if (ports.some((other) => other.name === port.name || other.port === port.port))
      faults.add(
        'PortConflict',
        `${field}[${index}]`,
        `${port.name}=${port.port}`,
        'repeats the name or number of a port before it: left out; the peer must give each port of its Service a name and number of its own',
      );
    else ports.push(port);
  }
  return ports;
}

function portFrom(item: unknown, field: string, faults: FaultList): PublicServicePort | undefined {
  if (!isFields(item)) {
    faults.add(
      'ServiceInvalid',
      field,
      item,
      'must be an object: port left out; the peer must correct what its metadata API serves',
    );
    return undefined;
  }
  const { name, port } = item;
  if (typeof name !== 'string' || !isPortName(name)) {
    faults.add(
      'ServiceInvalid',
      `${field}.name`,
      name,
      'must be 1 to 63 letters, digits and dashes: port left out; the peer must rename it',
    );
    return undefined;
  }
  if (!isPort(port)) {
    faults.add(
      'ServiceInvalid',
      `${field}.port`,
      port,
      'must be a whole number from 1 to 65535: port left out; the peer must correct its Service',
    );
    return undefined;
  }
  const protocol = protocolFrom(item, field, faults);
  return protocol === undefined ? { name, port } : { name, port, protocol };
}

function protocolFrom(item: JsonObject, field: string, faults: FaultList): string | undefined {
  const { protocol } = item;
  if (protocol === undefined || protocol === null || protocol === '') return undefined;
  if (typeof protocol === 'string' && isProtocol(protocol)) return protocol;
  faults.add(
    'ServiceInvalid',
    `${field}.protocol`,
    protocol,
    "is no protocol of Istio: the port's name decides; the peer must correct the port's appProtocol",
  );
  return undefined;
}

/** Undefined where none are given; null when the list cannot be trusted as a whole, since it says who may answer. */
function identitiesFrom(item: JsonObject, field: string, faults: FaultList): readonly string[] | undefined | null {
  const names = item['subjectAltNames'];
  if (names === undefined) return undefined;
  const fits =
    Array.isArray(names) &&
    names.length <= limits.subjectAltNamesPerService &&
    names.every((name) => typeof name === 'string' && isSpiffeId(name));
  if (fits) return names as readonly string[];
  faults.add(
    'ServiceInvalid',
    field,
    names,
    `must be at most ${limits.subjectAltNamesPerService} SPIFFE ids (spiffe://<trust domain>/<path>): service left out; the peer must correct what its metadata API serves`,
  );
  return null;
}
