import forge from 'node-forge';

const { asn1 } = forge;
const { Class, Type } = asn1;

/** A node of an ASN.1 tree as node-forge holds it; content is a binary string or child nodes. */
export type Node = forge.asn1.Asn1;

export function sequence(...children: readonly Node[]): Node {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...children]);
}

export function set(...children: readonly Node[]): Node {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, [...children]);
}

export function objectId(dotted: string): Node {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

export function nothing(): Node {
  return asn1.create(Class.UNIVERSAL, Type.NULL, false, '');
}

export function boolean(value: boolean): Node {
  return asn1.create(Class.UNIVERSAL, Type.BOOLEAN, false, value ? '\xff' : '\x00');
}

/** INTEGER from big-endian bytes that stand for a positive number. */
export function positiveInteger(bytes: Uint8Array): Node {
  const trimmed = Buffer.from(bytes).subarray(leadingZeros(bytes));
  const needsZero = trimmed.length === 0 || ((trimmed[0] ?? 0) & 0x80) !== 0;
  const content = needsZero ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed;
  return asn1.create(Class.UNIVERSAL, Type.INTEGER, false, content.toString('latin1'));
}

export function integer(value: number): Node {
  const hex = value.toString(16);
  return positiveInteger(Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex'));
}

export function octets(content: Uint8Array): Node {
  return asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, Buffer.from(content).toString('latin1'));
}

/** BIT STRING with no unused bits. */
export function bits(content: Uint8Array, unused = 0): Node {
  const bytes = Buffer.concat([Buffer.from([unused]), Buffer.from(content)]);
  return asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, bytes.toString('latin1'));
}

export function utf8(text: string): Node {
  return asn1.create(Class.UNIVERSAL, Type.UTF8, false, Buffer.from(text, 'utf8').toString('latin1'));
}

/** Time as RFC 5280 section 4.1.2.5 wants it: UTCTime until 2049, GeneralizedTime after. */
export function time(unixMs: number): Node {
  const date = new Date(unixMs);
  return date.getUTCFullYear() < 2050
    ? asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
    : asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date));
}

/** Unix milliseconds of a UTCTime or GeneralizedTime; undefined for any other node. */
export function timeOf(node: Node | undefined): number | undefined {
  if (node === undefined || node.tagClass !== Class.UNIVERSAL) return undefined;
  const text = bytesOf(node).toString('latin1');
  if (node.type === Type.UTCTIME) return asn1.utcTimeToDate(text).getTime();
  return node.type === Type.GENERALIZEDTIME ? asn1.generalizedTimeToDate(text).getTime() : undefined;
}

/** Context-specific tag around children (explicit) or around bytes (implicit). */
export function tagged(tag: number, content: readonly Node[] | Uint8Array): Node {
  return content instanceof Uint8Array
    ? asn1.create(Class.CONTEXT_SPECIFIC, tag, false, Buffer.from(content).toString('latin1'))
    : asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [...(content as readonly Node[])]);
}

/** A tree from DER that some other tool made, to be put into ours as it is. */
export function fromDer(der: Uint8Array): Node {
  return asn1.fromDer(forge.util.createBuffer(Buffer.from(der).toString('latin1')), {
    strict: true,
    parseAllBytes: true,
    decodeBitStrings: false,
  } as never);
}

export function toDer(node: Node): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

/** Children of a constructed node; an empty list for a primitive one. */
export function childrenOf(node: Node | undefined): readonly Node[] {
  return node !== undefined && Array.isArray(node.value) ? node.value : [];
}

/** Content bytes of a primitive node; empty for a constructed one. */
export function bytesOf(node: Node | undefined): Buffer {
  return node !== undefined && typeof node.value === 'string' ? Buffer.from(node.value, 'latin1') : Buffer.alloc(0);
}

export function isContext(node: Node, tag: number): boolean {
  return node.tagClass === Class.CONTEXT_SPECIFIC && Number(node.type) === tag;
}

export function isObjectId(node: Node | undefined): node is Node {
  return node !== undefined && node.tagClass === Class.UNIVERSAL && node.type === Type.OID;
}

export function dottedOf(node: Node): string {
  return asn1.derToOid(forge.util.createBuffer(bytesOf(node).toString('latin1')));
}

function leadingZeros(bytes: Uint8Array): number {
  const index = bytes.findIndex((byte) => byte !== 0);
  return index < 0 ? bytes.length : index;
}
