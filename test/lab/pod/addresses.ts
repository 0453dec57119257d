import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** First address that is given away; the ones below belong to the bridge and to whatever the lab puts there. */
const firstHost = 16;

/** First address of an IPv4 range, which is its bridge's. */
export function gatewayOf(cidr: string): string {
  return textOf(rangeOf(cidr).base + 1);
}

function rangeOf(cidr: string): { readonly base: number; readonly size: number } {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
  const bits = Number(match?.[5]);
  if (match === null || bits < 8 || bits > 26) {
    throw new Error(`--pod-cidr ${cidr} is not an IPv4 range from /8 to /26: write it like 10.244.0.0/16`);
  }
  const base = match.slice(1, 5).reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const size = 2 ** (32 - bits);
  return { base: base - (base % size), size };
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/**
 * Pod addresses of one node, remembered in a file. An address that was given back is the last to be given again, so that
 * late packets and stale tables don't reach another pod.
 */
export class AddressPool {
  private readonly range: { readonly base: number; readonly size: number };
  private readonly used: Map<string, string>;
  private next: number;

  constructor(
    cidr: string,
    private readonly file: string,
  ) {
    this.range = rangeOf(cidr);
    const saved = readSaved(file);
    this.used = new Map(Object.entries(saved.used));
    this.next = saved.next;
  }

  /** Address of this owner: the one it has, or a free one. */
  acquire(owner: string): string {
    const held = [...this.used].find(([, holder]) => holder === owner);
    if (held !== undefined) return held[0];
    for (let tries = 0; tries < this.range.size; tries += 1) {
      const offset = this.next;
      this.next = offset + 1 >= this.range.size - 1 ? firstHost : offset + 1;
      const address = textOf(this.range.base + offset);
      if (this.used.has(address)) continue;
      this.used.set(address, owner);
      this.save();
      return address;
    }
    throw new Error(`no free pod address is left among ${this.used.size}: give a larger --pod-cidr`);
  }

  release(owner: string): void {
    for (const [address, holder] of this.used) if (holder === owner) this.used.delete(address);
    this.save();
  }

  private save(): void {
    mkdirSync(dirname(this.file), { recursive: true });
    writeFileSync(`${this.file}.tmp`, JSON.stringify({ next: this.next, used: Object.fromEntries(this.used) }));
    renameSync(`${this.file}.tmp`, this.file);
  }
}

function readSaved(file: string): { readonly next: number; readonly used: Readonly<Record<string, string>> } {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { next: number; used: Record<string, string> };
  } catch {
    return { next: firstHost, used: {} };
  }
}
