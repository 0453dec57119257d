import type { Secret } from '#istio-api';
import { ConflictError, pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import type { Clock } from '#model';
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
}

interface Read {
  readonly state: DoorCertificate;
  readonly resourceVersion: string | undefined;
}

const keys = { cert: 'tls.crt', key: 'tls.key', authorities: 'ca.crt', rotation: 'rotation.json' } as const;
const next = { cert: 'next.crt', key: 'next.key' } as const;
const previous = 'previous.crt';

/** Keeps the door's self-signed certificate: renewed before its end, replaced on request, announced to peers before it is served. */
export class DoorCertificateKeeper {
  readonly #ports: DoorCertificatePorts;
  #state: DoorCertificate | undefined;

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
    const secret = await client.get<Secret & ApiObject>(pathFor(resources.secrets, { namespace, name: secretName }), {
      signal,
    });
    if (secret === undefined) return undefined;
    const text = (key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
    if (text(keys.cert) === '' || text(keys.key) === '') return undefined;
    const rotation = text(keys.rotation);
    const state = {
      current: { cert: text(keys.cert), key: text(keys.key) },
      ...(text(next.cert) === '' ? {} : { next: { cert: text(next.cert), key: text(next.key) } }),
      ...(text(previous) === '' ? {} : { previous: text(previous) }),
      rotation: rotation === '' ? {} : (JSON.parse(rotation) as DoorCertificate['rotation']),
    };
    return { state, resourceVersion: secret.metadata?.resourceVersion };
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
      await client.patch(path, body, 'application/merge-patch+json', { signal });
      return true;
    } catch (error) {
      if (error instanceof ConflictError) return false;
      throw error;
    }
  }
}
