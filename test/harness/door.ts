import { gzipSync } from 'node:zlib';
import { randomUUID } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Dispatcher } from 'undici';
import { pathFor, resources } from '#kube';
import type { ApiObject, KubeClient } from '#kube';
import { annotations, documentSecretName, formatTrustRegistry, labels, names, scopesOf } from '#model';
import type { Scope, TrustedPeer } from '#model';
import { createLogger } from '#platform';
import type { Store } from '#store';
import { generateSigningKey, tokenIssuer } from '#trust';
import { signByHand } from '../../libs/trust/src/jws.fixture.js';
import { loadConfig } from '../../apps/metadata-api/src/config.js';
import { createDoor } from '../../apps/metadata-api/src/door.js';
import type { RunningDoor } from '../../apps/metadata-api/src/door.js';
import { startTimeoutMs, waitFor } from './child.js';
import { writeServingCertificate } from './serving-certificate.js';

export const ownUUID = '11111111-1111-4111-8111-111111111111';
const namespace = 'isthmus-system';
const peersNamespace = 'isthmus-peers';

/** A peer cluster as tests play it: its key signs tokens. */
export class TestPeer {
  readonly key = generateSigningKey();
  readonly uuid = randomUUID();

  constructor(
    readonly kind: TrustedPeer['kind'],
    readonly name: string,
    readonly signed = true,
  ) {}

  trusted(over: Partial<TrustedPeer> = {}): TrustedPeer {
    return {
      kind: this.kind,
      name: this.name,
      clusterUUID: this.uuid,
      trustDomain: `${this.name}.example`,
      clusterDomain: `${this.name}.example`,
      roots: [],
      keys: [{ kid: this.key.kid, pem: this.key.publicPem, state: 'current' }],
      signed: this.signed,
      crls: [],
      scopes: scopesOf(this.kind),
      legacyAPITokens: false,
      ...over,
    };
  }

  token(scope: Scope, now = Date.now()): string {
    const { privatePem, kid } = this.key;
    const iat = Math.floor(now / 1000);
    const whose = { iss: tokenIssuer, sub: this.uuid, aud: ownUUID, scope, jti: randomUUID() };
    return signByHand({ ...whose, iat, nbf: iat, exp: iat + 60 }, privatePem, { kid, typ: 'JWT' });
  }
}

/** Plays the controller's leader: writes what the door reads, and the rights that the chart gives it (user `limited`). */
export class TestLeader {
  readonly #client: KubeClient;

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async prepare(): Promise<void> {
    for (const name of [namespace, peersNamespace]) {
      await this.#apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
    await this.#grant(namespace, [
      {
        apiGroups: [''],
        resources: ['secrets'],
        resourceNames: [names.trustSecret, names.publicDocumentSecret],
        verbs: ['list', 'watch'],
      },
      { apiGroups: [''], resources: ['configmaps'], resourceNames: [names.clusterConfigMap], verbs: ['list', 'watch'] },
    ]);
    await this.#grant(peersNamespace, [{ apiGroups: [''], resources: ['secrets'], verbs: ['list', 'watch'] }]);
    await this.#grant('default', [{ apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['create'] }]);
    await this.#apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace, name: names.clusterConfigMap },
      data: { clusterUUID: ownUUID, trustDomain: 'here.example' },
    });
  }

  async trust(peers: readonly TrustedPeer[]): Promise<void> {
    await this.#secret(namespace, names.trustSecret, { [names.trustKey]: formatTrustRegistry({ version: 1, peers }) });
  }

  async publish(publicJson: string, seq: string): Promise<void> {
    await this.#secret(namespace, names.publicDocumentSecret, {
      'public.json': publicJson,
      'spiffe-bundle.json': '{"keys":[],"spiffe_sequence":1}',
      seq,
    });
  }

  /** Writes the document made for one peer, cut into as many Secrets as asked for. */
  async document(peer: TestPeer, text: string, seq: string, shards = 1): Promise<void> {
    const packed = gzipSync(Buffer.from(text));
    const size = Math.ceil(packed.length / shards);
    for (let shard = 0; shard < shards; shard += 1) {
      await this.#apply({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          namespace: peersNamespace,
          name: documentSecretName(peer, shard),
          labels: { [labels.document]: 'private' },
          annotations: {
            [annotations.peerUUID]: peer.uuid,
            [annotations.sequence]: seq,
            [annotations.shards]: String(shards),
          },
        },
        data: { 'document.gz': packed.subarray(shard * size, (shard + 1) * size).toString('base64') },
      });
    }
  }

  async removeDocument(peer: TestPeer): Promise<void> {
    await this.#client.delete(
      pathFor(resources.secrets, { namespace: peersNamespace, name: documentSecretName(peer) }),
    );
  }

  async #grant(place: string, rules: readonly object[]): Promise<void> {
    const metadata = { namespace: place, name: 'isthmus-metadata-api' };
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    await this.#apply({ apiVersion, kind: 'Role', metadata, rules });
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name };
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'limited' }];
    await this.#apply({ apiVersion, kind: 'RoleBinding', metadata, roleRef, subjects });
  }

  async #secret(place: string, name: string, texts: Readonly<Record<string, string>>): Promise<void> {
    const data = Object.fromEntries(
      Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
    );
    await this.#apply({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: place, name }, data });
  }

  async #apply(object: ApiObject & Readonly<Record<string, unknown>>): Promise<void> {
    await this.#client.apply(object, { fieldManager: 'leader' });
  }
}

export interface TestDoor {
  readonly running: RunningDoor;
  readonly tlsDirectory: string;
  readonly agent: Agent;
  /** What the door has logged. */
  readonly lines: readonly string[];
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Dispatcher.ResponseData>;
  getAs(
    peer: TestPeer,
    scope: Scope,
    path: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Dispatcher.ResponseData>;
  /** Plain HTTP port: /readyz and /metrics. */
  side(path: string): Promise<{ readonly status: number; readonly text: string }>;
  /** Value of one of its metrics, summed over labels. */
  metric(name: string): Promise<number>;
  close(): Promise<void>;
}

export interface TestDoorOptions {
  readonly client: KubeClient;
  readonly store: Store;
  /** Its certificate is in a folder of its own in here. */
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** The real app on ephemeral ports of 127.0.0.1, ready. */
export async function startDoor(options: TestDoorOptions): Promise<TestDoor> {
  const { client, store, directory, environment = {} } = options;
  const tlsDirectory = mkdtempSync(join(directory, 'tls-'));
  const ca = await writeServingCertificate(tlsDirectory);
  const config = loadConfig({
    ISTHMUS_LISTEN_HOST: '127.0.0.1',
    ISTHMUS_HTTPS_PORT: '0',
    ISTHMUS_HTTP_PORT: '0',
    ISTHMUS_TLS_DIR: tlsDirectory,
    ISTHMUS_DRAIN_DELAY_MS: '0',
    ...environment,
  });
  const lines: string[] = [];
  const logger = createLogger({ app: 'door', level: 'debug', destination: { write: (line) => void lines.push(line) } });
  const door = await createDoor({ config, client, store, logger });
  const running = await door.start();
  await waitFor('readiness', () => (door.health.readiness().ready ? true : undefined), { timeoutMs: startTimeoutMs });
  const agent = new Agent({ connect: { ca } });
  const get: TestDoor['get'] = (path, headers = {}) =>
    request(`https://127.0.0.1:${running.httpsPort}${path}`, { headers, dispatcher: agent });
  const side: TestDoor['side'] = async (path) => {
    const answer = await request(`http://127.0.0.1:${running.httpPort}${path}`);
    return { status: answer.statusCode, text: await answer.body.text() };
  };
  return {
    running,
    tlsDirectory,
    agent,
    lines,
    get,
    getAs: (peer, scope, path, headers = {}) => get(path, { ...headers, authorization: `Bearer ${peer.token(scope)}` }),
    side,
    metric: async (name) => metricIn((await side('/metrics')).text, name),
    close: async () => {
      await running.drain();
      await agent.destroy();
    },
  };
}

/** Value of one metric in what a process says of its metrics, summed over labels. */
export function metricIn(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** A door that had no answer of its store within a second does not ask it again for five: a little longer. */
const storeRestMs = 6_000;

/** What was found while doors knew of used tokens by their store: asked anew, with another token, where one had to go on without it. */
export async function whileStoreAnswers<T>(
  doors: readonly Pick<TestDoor, 'metric'>[],
  ask: () => Promise<T>,
  tries = 3,
): Promise<T> {
  const alone = (): Promise<readonly number[]> =>
    Promise.all(doors.map((door) => door.metric('isthmus_door_replay_memory_only_total')));
  const before = await alone();
  const found = await ask();
  if (tries === 1 || (await alone()).join() === before.join()) return found;
  await sleep(storeRestMs);
  return whileStoreAnswers(doors, ask, tries - 1);
}
