import type { Reason } from '#crd';

/** What is wrong with one field of a document: where, what was there (shortened), and what to do. */
export interface Fault {
  readonly reason: Extract<
    Reason,
    'DocumentInvalid' | 'ServiceInvalid' | 'DomainConflict' | 'PortConflict' | 'AddressRefused'
  >;
  readonly field: string;
  readonly value: string;
  readonly message: string;
}

/** A document as read, or everything that is wrong with it. */
export type Decoded<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly faults: readonly Fault[] };

/** `value` is shown as JSON, at most 80 characters of it; signatures and PEM are never secrets here. */
export function faultOf(reason: Fault['reason'], field: string, value: unknown, message: string): Fault {
  return { reason, field, value: shortened(value), message };
}

export function refuse(field: string, value: unknown, message: string): { ok: false; faults: readonly Fault[] } {
  return { ok: false, faults: [faultOf('DocumentInvalid', field, value, message)] };
}

function shortened(value: unknown): string {
  if (value === undefined) return 'absent';
  if (typeof value === 'string') return cut(JSON.stringify(value.slice(0, 80)));
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  return Array.isArray(value) ? `list of ${value.length}` : 'object';
}

function cut(text: string): string {
  return text.length > 82 ? `${text.slice(0, 80)}…"` : text;
}
