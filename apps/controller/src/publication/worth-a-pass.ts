import type { ApiObject } from '#kube';
import { labels } from '#model';

// A pass looks at everything, so what it does not read must not cause one: our own writes of status and memory come back as changes.

/** A pass reads spec, name, creation and deletion of an IstioFederation; the generation moves with spec and deletion. */
export function isFederationWorthAPass(current: ApiObject | undefined, previous: ApiObject | undefined): boolean {
  const [now, before] = [current?.metadata, previous?.metadata];
  return now === undefined || now.uid !== before?.uid || now.generation !== before?.generation;
}

/** What is remembered of peers is read from this process's own memory, not from its Secrets. */
export function isSecretWorthAPass(current: ApiObject | undefined, previous: ApiObject | undefined): boolean {
  return (current ?? previous)?.metadata?.labels?.[labels.peerMemory] === undefined;
}
