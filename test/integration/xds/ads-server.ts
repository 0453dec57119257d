import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { decodeDiscoveryRequest, encodeDiscoveryResponse, type Resource, TYPE_URLS } from '#proto';
import type { DiscoveryRequest } from '#proto-gen/envoy/service/discovery/v3/discovery_pb';

type Stream = ServerDuplexStream<DiscoveryRequest, Uint8Array>;

interface Wanted {
  names: readonly string[];
  sent: string;
}

/** The least that feeds an Envoy: state of the world on an aggregated stream, and the agent's secret service beside it. */
export class AdsServer {
  private readonly server = new Server();
  private readonly streams = new Map<Stream, Map<string, Wanted>>();
  private resources: readonly Resource[] = [];
  private secrets: readonly Resource[] = [];
  private nonce = 0;
  /** What Envoy refused, in its words. */
  readonly refusals: string[] = [];

  async start(): Promise<number> {
    const method = (path: string) => ({
      path,
      requestStream: true,
      responseStream: true,
      requestDeserialize: decodeDiscoveryRequest,
      requestSerialize: () => Buffer.alloc(0),
      responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
      responseDeserialize: (bytes: Buffer) => bytes,
    });
    this.server.addService(
      {
        ads: method('/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources'),
        sds: method('/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets'),
      },
      {
        ads: (stream: Stream) => this.handle(stream, () => this.resources),
        sds: (stream: Stream) => this.handle(stream, () => this.secrets),
      },
    );
    return new Promise((resolve, reject) => {
      this.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  }

  /** Replaces what is served; types whose content changed are pushed in order. */
  serve(resources: readonly Resource[], secrets: readonly Resource[]): void {
    this.resources = resources;
    this.secrets = secrets;
    for (const [stream, wanted] of this.streams) {
      for (const url of Object.values(TYPE_URLS)) {
        if (wanted.has(url)) this.answer(stream, wanted, url, () => this.resources, false);
      }
    }
  }

  stop(): void {
    this.server.forceShutdown();
  }

  private handle(stream: Stream, source: () => readonly Resource[]): void {
    const wanted = new Map<string, Wanted>();
    if (source() === this.resources) this.streams.set(stream, wanted);
    stream.on('data', (request: DiscoveryRequest) => {
      if (request.errorDetail !== undefined) this.refusals.push(request.errorDetail.message);
      const known = wanted.get(request.typeUrl);
      const names = [...request.resourceNames].sort();
      if (known !== undefined && JSON.stringify(known.names) === JSON.stringify(names)) return;
      wanted.set(request.typeUrl, { names, sent: known?.sent ?? '' });
      this.answer(stream, wanted, request.typeUrl, source, true);
    });
    stream.on('error', () => undefined);
    stream.on('close', () => this.streams.delete(stream));
    stream.on('end', () => stream.end());
  }

  private answer(
    stream: Stream,
    wanted: Map<string, Wanted>,
    typeUrl: string,
    source: () => readonly Resource[],
    force: boolean,
  ): void {
    const want = wanted.get(typeUrl);
    if (want === undefined) return;
    const all = source().filter((resource) => resource.typeUrl === typeUrl);
    const resources = want.names.length === 0 ? all : all.filter(({ name }) => want.names.includes(name));
    const sent = resources.map(({ name, version }) => `${name}@${version}`).join(' ');
    if (!force && sent === want.sent) return;
    want.sent = sent;
    this.nonce += 1;
    stream.write(
      encodeDiscoveryResponse({ versionInfo: String(this.nonce), typeUrl, nonce: String(this.nonce), resources }),
    );
  }
}
