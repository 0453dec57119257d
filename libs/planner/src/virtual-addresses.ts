import { compareText, sortedUnique } from '#model';

/** Address under which an imported host is called inside this cluster. */
export interface VirtualAddress {
  readonly hostname: string;
  readonly address: string;
}

/** 240.240.0.0/16 is what Istio uses for the same purpose; reserved by RFC 1112, routed nowhere. First and last stay free. */
const size = 65_536;

/**
 * One address per host. What stands in `existing` (read from ServiceEntry status) is kept; a new host gets the address its name
 * hashes to, or the next free one, so the same host mostly returns to the same address and replicas agree.
 * `reserved` are addresses of other people's entries. Throws when the range is full.
 */
export function allocateVirtualAddresses(
  existing: readonly VirtualAddress[],
  hostnames: readonly string[],
  reserved: readonly string[] = [],
): readonly VirtualAddress[] {
  const wanted = sortedUnique(hostnames);
  if (wanted.length + reserved.length > size - 2) {
    throw new Error(`240.240.0.0/16 cannot hold ${wanted.length} imported hosts: narrow spec.imports.hosts`);
  }
  const taken = new Set(reserved);
  const kept = keptAddresses(existing, new Set(wanted), taken);
  return wanted.map((hostname) => ({ hostname, address: kept.get(hostname) ?? firstFree(hostname, taken) }));
}

function keptAddresses(
  existing: readonly VirtualAddress[],
  wanted: ReadonlySet<string>,
  taken: Set<string>,
): ReadonlyMap<string, string> {
  const kept = new Map<string, string>();
  const inOrder = [...existing].sort(
    (a, b) => compareText(a.hostname, b.hostname) || compareText(a.address, b.address),
  );
  for (const { hostname, address } of inOrder) {
    if (!wanted.has(hostname) || kept.has(hostname) || taken.has(address) || !inRange(address)) continue;
    kept.set(hostname, address);
    taken.add(address);
  }
  return kept;
}

function firstFree(hostname: string, taken: Set<string>): string {
  const start = hash(hostname);
  for (let step = 0; step < size; step += 1) {
    const number = (start + step) % size;
    const address = `240.240.${number >>> 8}.${number & 255}`;
    if (number === 0 || number === size - 1 || taken.has(address)) continue;
    taken.add(address);
    return address;
  }
  throw new Error('240.240.0.0/16 is full: narrow spec.imports.hosts');
}

function inRange(address: string): boolean {
  const [a, b, c, d] = address.split('.').map(Number);
  const number = (c ?? -1) * 256 + (d ?? -1);
  return /^240\.240\.\d{1,3}\.\d{1,3}$/.test(address) && a === 240 && b === 240 && number > 0 && number < size - 1;
}

/** FNV-1a, folded to 16 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return ((value >>> 16) ^ value) & 0xffff;
}
