import { createHash, createPrivateKey, randomUUID } from 'node:crypto';
import type { ConfigMap, Secret } from '#istio-api';
import { applyIfChanged, pathFor, resources } from '#kube';
import type { ApiObject, Informer, KubeClient } from '#kube';
import { annotations, labels, names } from '#model';
import type { ClusterIdentity, Clock } from '#model';
import { buildCsr, generateSigningKey, parseCertificate } from '#trust';
import type { Logger } from '#platform';
import { caFacts } from './ca-facts.js';
import type { CaFacts } from './ca-facts.js';
import { certify } from './certificate-client.js';
import type { CertificateClientSettings } from './certificate-client.js';
import { clusterConfigMap, clusterIdentity, publishedUUID, storedUUID } from './cluster-identity.js';
import type { IdentitySettings } from './cluster-identity.js';
import type { DoorCertificateKeeper } from '../door-certificate/door-certificate-keeper.js';
import {
  advance,
  currentKey,
  emptyKeyRing,
  nextChangeMs,
  parseKeyRing,
  renewalAt,
  signingKeyReport,
} from './key-ring.js';
import type { KeyRing, RotationTimes, StoredSigningKey } from './key-ring.js';
import { toldLists } from './told-lists.js';
import type { ToldLists } from './told-lists.js';

/** As long as a proxy's: a long one would keep an old root in use for as long. Documents end within the hour anyway. */
const certificateTtlSeconds = 24 * 3600;
const ringKey = 'keys.json';

/** What the leader signs with; `ring` has a current key with a chain. */
export interface SigningState extends CaFacts {
  readonly identity: ClusterIdentity;
  readonly ring: KeyRing;
}

export interface IdentityKeeperPorts {
  readonly client: KubeClient;
  readonly configMaps: Informer<ConfigMap & ApiObject>;
  /** Of the release namespace, what Isthmus wrote. */
  readonly secrets: Informer<Secret & ApiObject>;
  readonly settings: IdentitySettings;
  readonly certificates: CertificateClientSettings;
  readonly times: RotationTimes;
  readonly doorCertificate: DoorCertificateKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps this cluster's UUID and signing keys; the only reader and writer of the private ones. What somebody deletes is written again. */
export class IdentityKeeper {
  readonly #ports: IdentityKeeperPorts;
  #state: SigningState | undefined;
  /** As last seen; it holds for longer than a request, so it comes back with the ConfigMap on which it stood. */
  #gatewayWish: string | undefined;
  #lists: ToldLists | undefined;

  constructor(ports: IdentityKeeperPorts) {
    this.#ports = ports;
  }

  get state(): SigningState | undefined {
    return this.#state;
  }

  /** Brings identity and keys to where they should be now; answers whether anything that peers see has changed. */
  async ensure(signal: AbortSignal): Promise<boolean> {
    const { doorCertificate } = this.#ports;
    const identity = await this.#ensureIdentity(signal);
    const ca = this.#ca();
    const stored = await this.#readRing(signal);
    const advanced = advance(stored, {
      now: this.#ports.clock.now(),
      times: this.#ports.times,
      freshKey: generateSigningKey,
      ...this.#request(annotations.rotateSigningKey),
    });
    const ring = await this.#certified(advanced, ca.roots);
    if (ring !== stored) await this.#writeRing(ring, signal);
    const before = JSON.stringify(this.#state);
    const lists = toldLists(ca, currentKey(ring)?.chain ?? [], this.#ports.clock.now());
    this.#tellLists(lists);
    this.#state = { identity, ring, ...ca, crls: lists.crls };
    const door = await doorCertificate.ensure(this.#request(annotations.rotateDoorCertificate).request, signal);
    await this.#writeIdentity(identity, this.#configMap(names.clusterConfigMap), signal);
    return door || before !== JSON.stringify(this.#state);
  }

  /** Forgets the state of an earlier term as leader. */
  clear(): void {
    this.#state = undefined;
    this.#gatewayWish = undefined;
    this.#lists = undefined;
    this.#ports.doorCertificate.clear();
  }

  /** What peers check the door against, PEM; undefined where its certificate is the operator's. */
  get doorAuthorities(): string | undefined {
    return this.#ports.doorCertificate.authorities;
  }

  /** Milliseconds until keys change by time alone. */
  nextChangeMs(): number | undefined {
    const { clock, times, doorCertificate } = this.#ports;
    const ring = this.#state === undefined ? undefined : nextChangeMs(this.#state.ring, clock.now(), times);
    const next = [ring, doorCertificate.nextChangeMs()].filter((each) => each !== undefined);
    return next.length === 0 ? undefined : Math.min(...next);
  }

  async #ensureIdentity(signal: AbortSignal): Promise<ClusterIdentity> {
    const { client, settings } = this.#ports;
    const path = pathFor(resources.configMaps, { namespace: settings.namespace, name: names.clusterConfigMap });
    // The informer may lag behind a create of ours: a fresh UUID is made only on the API server's own word.
    const stored =
      this.#configMap(names.clusterConfigMap) ?? (await client.get<ConfigMap & ApiObject>(path, { signal }));
    const remembered = this.#state?.identity.clusterUUID;
    const published = publishedUUID(this.#ports.secrets.get(settings.namespace, names.publicDocumentSecret));
    const identity = clusterIdentity(settings, { stored, remembered, published }, randomUUID);
    const known = storedUUID(stored) !== undefined;
    if (stored !== undefined) this.#gatewayWish = stored.metadata?.annotations?.[annotations.gatewayAddresses];
    if (!known || this.#state === undefined) await this.#writeIdentity(identity, stored, signal);
    if (!known && [remembered, published].includes(identity.clusterUUID))
      this.#ports.logger.warn(
        { configMap: names.clusterConfigMap, clusterUUID: identity.clusterUUID },
        'the ConfigMap that says who this cluster is was gone or said nothing: it is written again with the same UUID, which peers have pinned',
      );
    return identity;
  }

  async #writeIdentity(
    identity: ClusterIdentity,
    stored: (ConfigMap & ApiObject) | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { client, settings } = this.#ports;
    const report = this.#state === undefined ? lastReport(stored) : this.#report(this.#state);
    const desired = clusterConfigMap(settings.namespace, identity, report) as ApiObject;
    const wish = this.#gatewayWish;
    if (stored === undefined && wish !== undefined) {
      // In one write, and not as ours: peers would be told of the chart's addresses alone in between.
      const written = { ...desired.metadata?.annotations, [annotations.gatewayAddresses]: wish };
      await client.create({ ...desired, metadata: { ...desired.metadata, annotations: written } }, { signal });
      return;
    }
    await applyIfChanged({ client, desired, live: stored, fieldManager: names.fieldManager, signal });
  }

  #report({ ring }: SigningState): string {
    return JSON.stringify({
      'signing-key': signingKeyReport(ring),
      'door-certificate': this.#ports.doorCertificate.report(),
      'revocation-lists': this.#lists?.report,
    });
  }

  #tellLists(lists: ToldLists): void {
    const { phase, message } = lists.report ?? {};
    if (phase === 'not told' && message !== this.#lists?.report?.message)
      this.#ports.logger.warn({ why: message }, 'the revocation lists of the workload CA are not told to peers');
    this.#lists = lists;
  }

  #request(annotation: string): { readonly request?: string } {
    const request = this.#configMap(names.clusterConfigMap)?.metadata?.annotations?.[annotation];
    return request === undefined || request === '' ? {} : { request };
  }

  #ca(): CaFacts {
    const facts = caFacts((name) => this.#configMap(name));
    if (facts.roots.length === 0)
      throw new Error(
        `ConfigMap ${names.rootCertConfigMap} is not there yet: the mesh core writes it into every namespace; is it running?`,
      );
    return facts;
  }

  #configMap(name: string): (ConfigMap & ApiObject) | undefined {
    return this.#ports.configMaps.get(this.#ports.settings.namespace, name);
  }

  /** In use wins over stored: this leader alone writes it. */
  async #readRing(signal: AbortSignal): Promise<KeyRing> {
    const { secrets, settings, logger } = this.#ports;
    const used = this.#state?.ring;
    if (used === undefined) {
      const text = await this.#storedRing(signal);
      return text === undefined ? emptyKeyRing : parseKeyRing(Buffer.from(text, 'base64').toString('utf8'));
    }
    // The informer may lag behind a write of ours: that the keys are gone is believed on the API server's own word.
    const seen = secrets.get(settings.namespace, names.signingKeysSecret)?.data?.[ringKey];
    if (seen === undefined && (await this.#storedRing(signal)) === undefined) {
      await this.#writeRing(used, signal);
      logger.warn(
        { secret: names.signingKeysSecret, kid: currentKey(used)?.kid },
        'the Secret with the signing keys was gone or empty: it is written again with the same keys, which peers have pinned',
      );
    }
    return used;
  }

  async #storedRing(signal: AbortSignal): Promise<string | undefined> {
    const { client, settings } = this.#ports;
    const path = pathFor(resources.secrets, { namespace: settings.namespace, name: names.signingKeysSecret });
    const text = (await client.get<Secret & ApiObject>(path, { signal }))?.data?.[ringKey];
    return text === '' ? undefined : text;
  }

  async #certified(ring: KeyRing, roots: readonly string[]): Promise<KeyRing> {
    const digest = createHash('sha256').update(roots.join('')).digest('hex');
    const now = this.#ports.clock.now();
    const due = ring.keys.filter((key) => key.state !== 'retired' && needsCertificate(key, digest, now));
    if (due.length === 0) return ring;
    const renewed = new Map<string, StoredSigningKey>();
    for (const key of due) renewed.set(key.kid, await this.#certifiedKey(key, roots, digest));
    return { ...ring, keys: ring.keys.map((key) => renewed.get(key.kid) ?? key) };
  }

  async #certifiedKey(key: StoredSigningKey, roots: readonly string[], rootsDigest: string): Promise<StoredSigningKey> {
    const csrPem = buildCsr(createPrivateKey(key.privatePem));
    const order = { csrPem, ttlSeconds: certificateTtlSeconds, roots: roots.join('') };
    const { chain } = await certify(this.#ports.certificates, order);
    const leaf = parseCertificate(chain[0] ?? '');
    return { ...key, chain, rootsDigest, chainIssuedAt: this.#ports.clock.now(), chainExpiresAt: leaf.notAfter };
  }

  async #writeRing(ring: KeyRing, signal: AbortSignal): Promise<void> {
    const { client, settings } = this.#ports;
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        namespace: settings.namespace,
        name: names.signingKeysSecret,
        labels: { [labels.managedBy]: labels.managedByValue },
      },
      data: { [ringKey]: Buffer.from(JSON.stringify(ring)).toString('base64') },
    };
    await client.apply(secret, { fieldManager: names.fieldManager, signal });
  }
}

/** What the last leader told stands until this one has looked: a certificate not looked at yet would pass for one that is not ours. */
function lastReport(stored: ConfigMap | undefined): string {
  return stored?.metadata?.annotations?.[annotations.rotationReport] ?? '{}';
}

function needsCertificate(key: StoredSigningKey, rootsDigest: string, now: number): boolean {
  if (key.chain === undefined || key.rootsDigest !== rootsDigest) return true;
  return renewalAt(key) <= now;
}
