import { refuse } from './fault.js';
import type { Decoded } from './fault.js';
import { parseObject, signedFault } from './json.js';
import type { JsonObject } from './json.js';
import { limits } from './limits.js';
import { isClusterUUID } from './names.js';

/** Content of `GET /metadata/public/public.json`; PEM texts and the JWS are judged by libs/trust. */
export interface PublicDocument {
  readonly clusterUUID: string;
  readonly authnKeyPub: string;
  readonly rootCA: string;
  readonly crl?: string;
  readonly signed?: string;
}

/** Reads a peer's public document; never throws. Fields that are not known are passed over. */
export function decodePublicDocument(text: string): Decoded<PublicDocument> {
  const parsed = parseObject(text, limits.publicDocumentBytes);
  if (!parsed.ok) return parsed;
  const { clusterUUID, signed } = parsed.value;
  if (typeof clusterUUID !== 'string' || !isClusterUUID(clusterUUID))
    return refuse(
      'clusterUUID',
      clusterUUID,
      `must be 1 to ${limits.clusterUUIDCharacters} letters, digits, dots, dashes and underscores`,
    );
  const authnKeyPub = pemFrom(parsed.value, 'authnKeyPub');
  if (!authnKeyPub.ok) return authnKeyPub;
  const rootCA = pemFrom(parsed.value, 'rootCA');
  if (!rootCA.ok) return rootCA;
  const crl = isAbsent(parsed.value['crl']) ? undefined : pemFrom(parsed.value, 'crl');
  if (crl !== undefined && !crl.ok) return crl;
  if (!isAbsent(signed)) {
    const fault = signedFault(signed);
    if (fault !== undefined) return fault;
  }
  return {
    ok: true,
    value: {
      clusterUUID,
      authnKeyPub: authnKeyPub.value,
      rootCA: rootCA.value,
      ...(crl === undefined ? {} : { crl: crl.value }),
      ...(typeof signed === 'string' && signed !== '' ? { signed } : {}),
    },
  };
}

/** JSON text with members in a fixed order: same document, same bytes. */
export function encodePublicDocument(document: PublicDocument): string {
  const { clusterUUID, authnKeyPub, rootCA, crl, signed } = document;
  return JSON.stringify({ clusterUUID, authnKeyPub, rootCA, crl, signed });
}

/** Legacy peers send `""` or null for what they do not have. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function pemFrom(document: JsonObject, field: string): Decoded<string> {
  const value = document[field];
  if (typeof value === 'string' && value.length <= limits.pemCharacters && value.includes('-----BEGIN '))
    return { ok: true, value };
  return refuse(field, value, `must be PEM (-----BEGIN …) of at most ${limits.pemCharacters} characters`);
}
