import { isFields } from '#model';
import { limits } from './limits.js';
import { refuse } from './fault.js';
import type { Decoded, Fault } from './fault.js';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses a JSON object whose size, depth and number of values were bounded first; never throws. */
export function parseObject(text: string, maximumBytes: number): Decoded<JsonObject> {
  if (text.length > maximumBytes)
    return refuse('(document)', `${text.length} characters`, `larger than ${maximumBytes} bytes; export less`);
  const cost = costOf(text);
  if (cost !== undefined) return refuse('(document)', undefined, cost);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refuse(
      '(document)',
      text.slice(0, 40),
      "is not whole JSON; is metadataEndpoint the peer's, and was the answer cut off?",
    );
  }
  return isFields(value)
    ? { ok: true, value }
    : refuse('(document)', value, "must be a JSON object; is metadataEndpoint the peer's?");
}

/** Why `signed` is no JWS that may be taken apart: its payload is bounded as the document around it is. */
export function signedFault(signed: unknown): { ok: false; faults: readonly Fault[] } | undefined {
  if (typeof signed !== 'string')
    return refuse('signed', signed, 'must be a compact JWS; the peer must sign its documents anew');
  const cost = costOf(Buffer.from(signed.split('.', 2)[1] ?? '', 'base64url').toString('utf8'));
  return cost === undefined ? undefined : refuse('signed', 'payload', cost);
}

const quote = 34;
const backslash = 92;

/** Why parsing would cost too much; a scan that skips strings and allocates nothing. */
function costOf(text: string): string | undefined {
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = stringEnd(text, at);
      continue;
    }
    // '{' and '[' differ from their closing partners by 2; ',' separates values.
    if (code === 123 || code === 91) depth += 1;
    else if (code === 125 || code === 93) depth -= 1;
    else if (code !== 44) continue;
    values += 1;
    if (depth > limits.depth) return `nested deeper than ${limits.depth}; is metadataEndpoint the peer's?`;
    if (values > limits.values) return `holds more than ${limits.values} values; export less`;
  }
  return undefined;
}

/** Index of the quote that ends the string which begins at `start`; the end of the text when none does. */
function stringEnd(text: string, start: number): number {
  let at = start;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
}
