import type { Secret } from '#istio-api';
import { ConflictError, pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { rotationIn, rotationMember } from '#model';
import type { Clock } from '#model';
import type { Logger } from '#platform';
import { advanceDoorCertificate, doorAuthorities, doorReport, nextDoorChangeMs } from './door-certificate.js';
import type { DoorCertificate, DoorCertificateFacts } from './door-certificate.js';
import { freshCertificate } from './fresh-certificate.js';

export interface DoorCertificatePorts {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Secret that the chart made; undefined where the operator gave one of his own. */
  readonly secretName: string | undefined;
  readonly times: DoorCertificateFacts['times'];
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Read {
  readonly state: DoorCertificate;
  readonly resourceVersion: string | undefined;
  /** The Secret as it stood, to be made again with what the chart put on it. */
  readonly secret: Secret & ApiObject;
}

const keys = { cert: 'tls.crt', key: 'tls.key', authorities: 'ca.crt', rotation: 'rotation.json' } as const;
const next = { cert: 'next.crt', key: 'next.key' } as const;
const previous = 'previous.crt';

/**
 * What the Secret says; undefined while it holds no certificate. An error names the Secret, the key and the remedy, and shows nothing of what
 * is in it.
 */
export function doorCertificateIn({ metadata, data }: Secret): DoorCertificate | undefined {
  const text = (key: string): string => Buffer.from(data?.[key] ?? '', 'base64').toString('utf8');
  if (text(keys.cert) === '' || text(keys.key) === '') return undefined;
  return {
    current: { cert: text(keys.cert), key: text(keys.key) },
    ...(text(next.cert) === '' ? {} : { next: { cert: text(next.cert), key: text(next.key) } }),
    ...(text(previous) === '' ? {} : { previous: text(previous) }),
    rotation: rotationOf(metadata?.name ?? '', text(keys.rotation)),
  };
}

/** @throws Error that names the Secret, else as {@link rotationIn} */
function rotationOf(secretName: string, text: string): DoorCertificate['rotation'] {
  const { text: request, time } = rotationMember;
  const members = { request, announcedAt: time, switchedAt: time };
  return rotationIn<DoorCertificate['rotation']>(`Secret ${secretName}, key ${keys.rotation}`, text, members);
}

/** Keeps the door's self-signed certificate: renewed before its end, replaced on request, announced to peers before it is served. */
export class DoorCertificateKeeper {
  readonly #ports: DoorCertificatePorts;
  #state: DoorCertificate | undefined;
  #last: (Secret & ApiObject) | undefined;

  constructor(ports: DoorCertificatePorts) {
    this.#ports = ports;
  }

  /** What peers check the door against, PEM; undefined where its certificate is the operator's. */
  get authorities(): string | undefined {
    return this.#state === undefined ? undefined : doorAuthorities(this.#state);
  }

  /** Brings it to where it should be now; answers whether what peers see has changed. */
  async ensure(request: string | undefined, signal: AbortSignal): Promise<boolean> {
    const before = this.authorities;
    const read = await this.#read(signal);
    this.#state = read?.state;
    this.#last = read?.secret ?? this.#last;
    if (read === undefined) return before !== this.authorities;
    const now = this.#ports.clock.now();
    const advanced = advanceDoorCertificate(read.state, {
      now,
      times: this.#ports.times,
      fresh: (old) => freshCertificate(old, now),
      ...(request === undefined ? {} : { request }),
    });
    if (advanced !== read.state && (await this.#write(advanced, read, signal))) this.#state = advanced;
    return before !== this.authorities;
  }

  clear(): void {
    this.#state = undefined;
    this.#last = undefined;
  }

  /** What is told of it beside ConfigMap `isthmus-cluster`. */
  report(): ReturnType<typeof doorReport> | { readonly phase: 'given'; readonly message: string } {
    if (this.#state !== undefined) return doorReport(this.#state);
    const message =
      'metadataApi.tls.secretName names a certificate of yours: add the next one’s authority to its ca.crt, wait until peers have it, then replace tls.crt and tls.key';
    return { phase: 'given', message };
  }

  nextChangeMs(): number | undefined {
    const { clock, times } = this.#ports;
    return this.#state === undefined ? undefined : nextDoorChangeMs(this.#state, { now: clock.now(), times });
  }

  async #read(signal: AbortSignal): Promise<Read | undefined> {
    const { client, namespace, secretName } = this.#ports;
    if (secretName === undefined) return undefined;
    const path = pathFor(resources.secrets, { namespace, name: secretName });
    const secret = (await client.get<Secret & ApiObject>(path, { signal })) ?? (await this.#madeAgain(signal));
    if (secret === undefined) return undefined;
    const state = doorCertificateIn(secret);
    return state && { state, resourceVersion: secret.metadata?.resourceVersion, secret };
  }

  /** Peers know the certificate in use: one that somebody deleted comes back as it was last read. */
  async #madeAgain(signal: AbortSignal): Promise<(Secret & ApiObject) | undefined> {
    const last = this.#last;
    if (last === undefined) return undefined;
    const { namespace, name, labels, annotations } = last.metadata ?? {};
    const { type, data } = last;
    const metadata = { namespace, name, labels, annotations };
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata, type, data } as Secret & ApiObject;
    const made = await this.#ports.client.create<Secret & ApiObject>(secret, { signal });
    this.#ports.logger.warn(
      { secret: name },
      'the Secret with the door’s certificate was gone: it is made again, the same',
    );
    return made;
  }

  /** False when the Secret was changed meanwhile: the next look tells. */
  async #write(state: DoorCertificate, { resourceVersion }: Read, signal: AbortSignal): Promise<boolean> {
    const { client, namespace, secretName = '' } = this.#ports;
    const data = {
      [keys.cert]: state.current.cert,
      [keys.key]: state.current.key,
      [keys.authorities]: doorAuthorities(state),
      [next.cert]: state.next?.cert,
      [next.key]: state.next?.key,
      [previous]: state.previous,
      [keys.rotation]: JSON.stringify(state.rotation),
    };
    const encoded = Object.entries(data).map(([key, value]) => [
      key,
      value === undefined ? null : Buffer.from(value).toString('base64'),
    ]);
    const body = { metadata: { resourceVersion }, data: Object.fromEntries(encoded) as object };
    const path = pathFor(resources.secrets, { namespace, name: secretName });
    try {
      this.#last = await client.patch<Secret & ApiObject>(path, body, 'application/merge-patch+json', { signal });
      return true;
    } catch (error) {
      if (error instanceof ConflictError) return false;
      throw error;
    }
  }
}
