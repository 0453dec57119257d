import { Client, credentials, Metadata, type ClientDuplexStream } from '@grpc/grpc-js';
import { create, fromBinary, type JsonObject, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { TYPE_URLS } from '#proto';
import { ClusterSchema } from '#proto-gen/envoy/config/cluster/v3/cluster_pb';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '#proto-gen/envoy/service/discovery/v3/discovery_pb';
import { waitFor } from '../../harness/child.js';

export interface AgentOptions {
  readonly port: number;
  readonly ca: string;
  readonly token: string;
  readonly protocol: 'GRPC' | 'DELTA_GRPC';
  readonly node: { readonly id: string; readonly metadata: JsonObject };
  /** Names asked for, by type, beside the wildcard types and the endpoints of all clusters. */
  readonly names: Readonly<Record<string, readonly string[]>>;
}

/** What one type's last answers said; a client that comes back says it again. */
interface Held {
  version: string;
  readonly versions: Map<string, string>;
  names: readonly string[];
}

/** What has come on a stream for one type. */
export interface Received {
  resources: number;
  bytes: number;
}

interface Answer {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly { readonly name: string; readonly version: string }[];
}

const order = ['cluster', 'endpoints', 'listener', 'route', 'secret', 'nameTable'] as const;
const methods = { GRPC: 'StreamAggregatedResources', DELTA_GRPC: 'DeltaAggregatedResources' } as const;

/**
 * A stream as pilot-agent keeps it: Envoy's subscriptions with the versions that Envoy holds, and the agent's own one to the name table, of
 * which it remembers nothing once the stream is gone.
 */
export class AgentStream {
  readonly received: Record<string, Received> = {};
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Uint8Array, Buffer>;
  #fault: Error | undefined;

  constructor(
    private readonly options: AgentOptions,
    readonly held: Map<string, Held> = new Map(),
  ) {
    this.#client = new Client(`127.0.0.1:${options.port}`, credentials.createSsl(Buffer.from(options.ca)), {
      'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
    });
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${options.token}`);
    const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
    const path = `/envoy.service.discovery.v3.AggregatedDiscoveryService/${methods[options.protocol]}`;
    this.#stream = this.#client.makeBidiStreamRequest(path, same, (bytes) => bytes, metadata);
    this.#stream.on('data', (bytes: Buffer) => this.#take(bytes)).on('error', (error) => (this.#fault = error));
  }

  /** Asks for every type in the order in which Envoy and its agent do, the name table from nothing; resolves when all that was lacking is there. */
  async subscribeAll(): Promise<void> {
    this.held.delete(TYPE_URLS.nameTable);
    for (const word of order) {
      const typeUrl = TYPE_URLS[word];
      const before = this.held.get(typeUrl);
      this.#ask(typeUrl, before);
      if (before !== undefined) continue;
      await waitFor(`an answer of type ${word}`, () => {
        if (this.#fault !== undefined) throw this.#fault;
        return Promise.resolve(this.held.has(typeUrl) ? true : undefined);
      });
    }
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #namesOf(typeUrl: string): readonly string[] {
    if (typeUrl === TYPE_URLS.endpoints) return this.held.get(TYPE_URLS.cluster)?.names ?? [];
    return this.options.names[typeUrl] ?? [];
  }

  #ask(typeUrl: string, before: Held | undefined): void {
    const names = [...this.#namesOf(typeUrl)];
    const common = { typeUrl, node: this.options.node };
    if (this.options.protocol === 'GRPC') {
      this.#whole({ ...common, resourceNames: names, versionInfo: before?.version ?? '' });
    } else {
      const initialResourceVersions = Object.fromEntries(before?.versions ?? []);
      this.#delta({ ...common, resourceNamesSubscribe: names, initialResourceVersions });
    }
  }

  #whole(fields: MessageInitShape<typeof DiscoveryRequestSchema>): void {
    this.#stream.write(toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, fields)));
  }

  #delta(fields: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void {
    this.#stream.write(toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, fields)));
  }

  #take(bytes: Buffer): void {
    const answer = this.options.protocol === 'GRPC' ? this.#wholeAnswer(bytes) : this.#deltaAnswer(bytes);
    const { typeUrl, nonce, version, resources } = answer;
    const word = order.find((each) => TYPE_URLS[each] === typeUrl) ?? typeUrl;
    const sum = (this.received[word] ??= { resources: 0, bytes: 0 });
    sum.resources += resources.length;
    sum.bytes += bytes.length;
    const held: Held = this.held.get(typeUrl) ?? { version: '', versions: new Map(), names: [] };
    held.version = version;
    for (const each of resources) held.versions.set(each.name, each.version);
    held.names = [...held.versions.keys()];
    this.held.set(typeUrl, held);
    const names = [...this.#namesOf(typeUrl)];
    if (this.options.protocol === 'GRPC') {
      this.#whole({
        ...{ typeUrl, versionInfo: version, responseNonce: nonce, resourceNames: names },
      });
    } else this.#delta({ typeUrl, responseNonce: nonce });
  }

  #wholeAnswer(bytes: Buffer): Answer {
    const { typeUrl, nonce, versionInfo, resources } = fromBinary(DiscoveryResponseSchema, bytes);
    // Only of clusters a name matters: endpoints are asked for by it.
    const named = resources.map((any, index) => ({
      name: anyUnpack(any, ClusterSchema)?.name ?? String(index),
      version: '',
    }));
    return { typeUrl, nonce, version: versionInfo, resources: named };
  }

  #deltaAnswer(bytes: Buffer): Answer {
    const { typeUrl, nonce, systemVersionInfo, resources } = fromBinary(DeltaDiscoveryResponseSchema, bytes);
    return { typeUrl, nonce, version: systemVersionInfo, resources };
  }
}
