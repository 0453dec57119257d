import { createHash } from 'node:crypto';
import type { Secret } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { names, remoteSecretName } from '#model';
import type { Clock } from '#model';

/** Written again this often even when nothing changed (a write that changes nothing costs no revision): nobody may read these Secrets back, so drift would go unseen. */
const repeatMs = 25_000;

export interface RemoteSecretWriterPorts {
  readonly client: KubeClient;
  readonly rootNamespace: string;
  readonly clock: Clock;
}

interface Written {
  readonly digest: string;
  readonly at: number;
}

/**
 * Keeps remote Secrets in the mesh's root namespace without the right to read Secrets there, where the workload CA's key lives too: writes by
 * server-side apply, deletes by name. One of these lives as long as a term as leader.
 */
export class RemoteSecretWriter {
  readonly #ports: RemoteSecretWriterPorts;
  readonly #written = new Map<string, Written>();
  readonly #removed = new Set<string>();

  constructor(ports: RemoteSecretWriterPorts) {
    this.#ports = ports;
  }

  async write(wanted: readonly Secret[], signal: AbortSignal): Promise<void> {
    for (const secret of wanted) await this.#write(secret, signal);
  }

  /** `known` are names of all peers there are or were, trusted or not: what is not wanted of them goes. */
  async prune(wanted: readonly Secret[], known: readonly string[], signal: AbortSignal): Promise<void> {
    const keep = new Set(wanted.map(({ metadata }) => metadata?.name));
    const candidates = new Set([...this.#written.keys(), ...known.map(remoteSecretName)]);
    for (const name of candidates) if (!keep.has(name)) await this.#remove(name, signal);
  }

  async #write(secret: Secret, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#ports;
    const name = secret.metadata?.name ?? '';
    const digest = createHash('sha256').update(JSON.stringify(secret)).digest('hex');
    const before = this.#written.get(name);
    const now = clock.now();
    if (before?.digest === digest && now - before.at < repeatMs) return;
    await client.apply(secret as ApiObject, { fieldManager: names.fieldManager, signal });
    this.#written.set(name, { digest, at: now });
    this.#removed.delete(name);
  }

  async #remove(name: string, signal: AbortSignal): Promise<void> {
    if (this.#removed.has(name)) return;
    const { client, rootNamespace } = this.#ports;
    await client.delete(pathFor(resources.secrets, { namespace: rootNamespace, name }), { signal });
    this.#written.delete(name);
    this.#removed.add(name);
  }
}
