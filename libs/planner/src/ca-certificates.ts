import { createHash } from 'node:crypto';
import { Document, isMap, isSeq, YAMLSeq } from 'yaml';
import type { YAMLMap } from 'yaml';
import { sortedUnique } from '#model';
import type { CaCertificate } from './trust-bundle.js';
import { yamlMapOf } from './yaml-map.js';

/** The text of `mesh` after a change, and the fingerprints of roots whose entries are ours. */
export interface CaCertificatesText {
  readonly text: string;
  readonly ours: readonly string[];
}

const key = 'caCertificates';

/**
 * Puts roots into `caCertificates` of Istio's MeshConfig (YAML inside one ConfigMap key that has other owners too). An entry is known by its root's
 * fingerprint: those of `oursBefore` that are no longer wanted go, whoever touched them since; everything else stays, comments too. A root that somebody else
 * has entered is left to its owner. A text that says already what it should is given back as it is.
 *
 * @throws Error naming the key when the text is no YAML map
 */
export function caCertificatesWith(
  current: string | undefined,
  oursBefore: readonly string[],
  wanted: readonly CaCertificate[],
): CaCertificatesText {
  const document = readable(current);
  const list = listIn(document);
  const before = new Set(oursBefore);
  const wishes = new Map(wanted.map((entry) => [fingerprintOf(entry.pem) ?? '', entry]));
  const present = list.items.map((item) => ({ item, print: fingerprintOf(isMap(item) ? item.get('pem') : undefined) }));
  const foreign = new Set(present.flatMap(({ print }) => (print === undefined || before.has(print) ? [] : [print])));
  const ours = sortedUnique([...wishes.keys()].filter((print) => !foreign.has(print)));
  const gone = new Set(oursBefore.filter((print) => !ours.includes(print)));
  const kept = present.filter(({ print }) => print === undefined || !gone.has(print));
  const there = new Set(kept.map(({ print }) => print));
  const added = ours.filter((print) => !there.has(print)).flatMap((print) => wishes.get(print) ?? []);
  const mended = kept.filter(({ item, print = '' }) => ours.includes(print) && mend(document, item, wishes.get(print)));
  if (kept.length === present.length && added.length === 0 && mended.length === 0) return { text: current ?? '', ours };
  list.items = [...kept.map(({ item }) => item), ...added.map((entry) => document.createNode(entry))];
  list.flow = false;
  if (list.items.length === 0) document.delete(key);
  else document.set(key, list);
  return { text: document.toString({ lineWidth: 0 }), ours };
}

/** Fingerprint (SHA-256 of the DER, hex) of a text that is one PEM certificate. */
function fingerprintOf(pem: unknown): string | undefined {
  const body = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----$/.exec(
    String(pem).trim(),
  )?.[1];
  if (body === undefined) return undefined;
  return createHash('sha256').update(Buffer.from(body, 'base64')).digest('hex');
}

/** Trust domains of an entry of ours are as we say; answers whether they had to be changed. */
function mend(document: Document, item: unknown, wish: CaCertificate | undefined): boolean {
  if (!isMap(item) || wish === undefined) return false;
  const said = (item as YAMLMap).get('trustDomains');
  if (isSeq(said) && JSON.stringify(said.toJSON()) === JSON.stringify(wish.trustDomains)) return false;
  item.set('trustDomains', document.createNode(wish.trustDomains));
  return true;
}

function readable(current: string | undefined): Document {
  if (current === undefined || current.trim() === '') return new Document({});
  const document = yamlMapOf(current);
  if (document === undefined) throw unreadable();
  return document;
}

function listIn(document: Document): YAMLSeq {
  const list = document.get(key);
  if (list === undefined || list === null) return new YAMLSeq();
  if (!isSeq(list)) throw unreadable();
  return list;
}

function unreadable(): Error {
  return new Error(
    'ConfigMap istio, key mesh: not a YAML map whose caCertificates are a list; correct it, nothing is written until then',
  );
}
