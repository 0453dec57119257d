import type { PeerMemory } from '#trust';
import { decodeMulticlusterDocument, multiclusterContent } from '#protocol';
import type { MulticlusterContent } from '#protocol';
import { findingsOf, freshnessOf, invalid, judgePrivate, remembered } from '../peer/read-public.js';
import type { Reading } from '../peer/read-public.js';
import type { MulticlusterInput } from './decide.js';

/** What is kept of a multicluster document. */
export type RememberedContent = Pick<MulticlusterContent, 'ingressGateways' | 'apiHost' | 'networkName'>;

/** Reads the multicluster document last heard, on the facts that the public one gave. */
export function readMulticluster(input: MulticlusterInput, memory: PeerMemory | undefined): Reading {
  const heard = input.hearing.privateDocument;
  if (heard === undefined || memory === undefined) return { memory, findings: [] };
  const decoded = decodeMulticlusterDocument(heard.body);
  if (!decoded.ok) return { memory, against: invalid(decoded.faults), findings: [] };
  const verdict = judgePrivate(input, memory, heard, decoded.value.signed);
  if (verdict.kind === 'refused') return { memory, against: verdict.against, findings: [] };
  const content =
    verdict.kind === 'signed' ? multiclusterContent(verdict.content) : { ok: true as const, value: decoded.value };
  if (!content.ok) return { memory, against: invalid(content.faults), findings: [] };
  const { ingressGateways, apiHost, networkName, faults } = content.value;
  const body = JSON.stringify({ ingressGateways, apiHost, networkName } satisfies RememberedContent);
  const { seq, ...ends } = freshnessOf(verdict);
  const privateDocument = { ...remembered(memory.privateDocument, heard, seq, body), body, ...ends };
  return { memory: { ...memory, privateDocument }, findings: findingsOf(faults) };
}

/** Content of the last good multicluster document. */
export function multiclusterContentOf(memory: PeerMemory | undefined): RememberedContent | undefined {
  const body = memory?.privateDocument?.body;
  return body === undefined ? undefined : (JSON.parse(body) as RememberedContent);
}

/** ID under which the peer's registry is read: what it signed, else (legacy peers) the name of its resource. */
export function clusterIDOf(name: string, memory: PeerMemory): string {
  return memory.facts.clusterID ?? name;
}
