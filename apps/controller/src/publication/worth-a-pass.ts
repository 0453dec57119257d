import type { PeerStatus } from '#crd';
import type { Node } from '#istio-api';
import type { ApiObject } from '#kube';
import { annotations, compareText, labels, names } from '#model';
import { waitingInStatus } from '../peer/silence.js';

// A pass looks at everything, so what it does not read must not cause one: our own writes of status and memory come back as changes.

/**
 * A pass reads spec, name, creation, deletion and our annotations of a peer's resource; the generation moves with spec and deletion. Of its
 * status it reads whether newer documents wait, which ends a silence.
 */
export function isResourceWorthAPass(current: ApiObject | undefined, previous: ApiObject | undefined): boolean {
  const [now, before] = [current?.metadata, previous?.metadata];
  if (now === undefined || now.uid !== before?.uid || now.generation !== before?.generation) return true;
  return ourAnnotations(now.annotations) !== ourAnnotations(before?.annotations) || waits(current) !== waits(previous);
}

function waits(object: (ApiObject & { readonly status?: PeerStatus }) | undefined): string {
  return JSON.stringify(waitingInStatus(object?.status));
}

function ourAnnotations(all: Readonly<Record<string, string>> = {}): string {
  const ours = Object.entries(all).filter(([name]) => name.startsWith(`${names.group}/`));
  return JSON.stringify(ours.sort(([a], [b]) => compareText(a, b)));
}

/** What is remembered of peers is read from this process's own memory, not from its Secrets. */
export function isSecretWorthAPass(current: ApiObject | undefined, previous: ApiObject | undefined): boolean {
  return (current ?? previous)?.metadata?.labels?.[labels.peerMemory] === undefined;
}

/** A pass reads an operator's wish for gateway addresses, and writes again what somebody deleted. */
export function isConfigMapWorthAPass(current: ApiObject | undefined, previous: ApiObject | undefined): boolean {
  const name = (current ?? previous)?.metadata?.name;
  if (name === names.gatewaysConfigMap) return current === undefined;
  const wish = (object: ApiObject | undefined): string | undefined =>
    object?.metadata?.annotations?.[annotations.gatewayAddresses];
  return name === names.clusterConfigMap && wish(current) !== wish(previous);
}

/** Of a node a pass reads whether it is ready and takes pods, and its addresses: its heartbeats are no news. */
export function isNodeWorthAPass(current: Node | undefined, previous: Node | undefined): boolean {
  return readOf(current) !== readOf(previous);
}

function readOf(node: Node | undefined): string {
  const ready = node?.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return JSON.stringify([node?.metadata?.name, node?.spec?.unschedulable === true, ready, node?.status?.addresses]);
}
