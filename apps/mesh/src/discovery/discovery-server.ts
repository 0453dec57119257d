import {
  type Metadata,
  type sendUnaryData,
  Server,
  type ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  status as grpcStatus,
} from '@grpc/grpc-js';
import type { IstioCertificateRequest, IstioCertificateResponse } from '#proto-gen/istio/v1/auth/ca_pb';
import type { Clock } from '#model';
import { encodeDeltaDiscoveryResponse, encodeDiscoveryResponse } from '#proto';
import type { Digest, Outgoing, Protocol } from '#xds';
import { callerOf, type Caller, type Refused } from './admission.js';
import { certificateServiceDefinition, discoveryService } from './methods.js';
import { ProxyStream, type ServedSource, type StreamObserver, type StreamWire } from './proxy-stream.js';
import { PushQueue } from './push-queue.js';
import { receivedDelta, receivedSotw, type ReceivedRequest } from './requests.js';
import { StreamRate } from './stream-rate.js';
import type { TokenReviews, WorkloadIdentity } from './token-reviews.js';

/** Answers CreateCertificate for a caller that has proved who it is. */
export interface CertificateIssuer {
  /** PEM texts in Istio's order: leaf, intermediates, last the roots. Throws an error whose message is for the caller. */
  issue(csr: string, ttlSeconds: number, identity: WorkloadIdentity): readonly string[];
}

export interface DiscoveryServerOptions {
  readonly clock: Clock;
  readonly reviews: TokenReviews;
  readonly certificates: CertificateIssuer;
  /** What is served now; undefined until the model is complete. */
  readonly source: () => ServedSource | undefined;
  readonly digest: Digest;
  readonly observer: StreamObserver & { opened(stream: ProxyStream): void; gone(stream: ProxyStream): void };
  readonly maxStreamsPerSecond: number;
  readonly maxConnectionAgeMs: number;
}

/** One address that is listened on. */
export interface Listener {
  readonly address: string;
  readonly credentials: ServerCredentials;
  /** False on the plaintext listener. */
  readonly authenticated: boolean;
}

type CertificateCall = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;
type Duplex<Request> = ServerDuplexStream<Request, Buffer>;

const goingAway: Refused = { code: grpcStatus.UNAVAILABLE, details: 'this replica is going away; connect again' };
const silentCheckMs = 1_000;

/** The gRPC server of the mesh core: aggregated discovery in both variants and Istio's certificate service. */
export class DiscoveryServer {
  readonly queue: PushQueue;
  readonly #options: DiscoveryServerOptions;
  readonly #rate: StreamRate;
  readonly #streams = new Set<ProxyStream>();
  readonly #servers: Server[] = [];
  readonly #timer: NodeJS.Timeout;
  #lastId = 0;
  #draining = false;

  constructor(options: DiscoveryServerOptions) {
    this.#options = options;
    this.#rate = new StreamRate(options.maxStreamsPerSecond, options.clock);
    this.queue = new PushQueue({ clock: options.clock });
    this.#timer = setInterval(() => this.queue.releaseSilent(), silentCheckMs).unref();
  }

  /** Open streams, oldest first. */
  get streams(): ReadonlySet<ProxyStream> {
    return this.#streams;
  }

  /** Starts to listen; returns the port, which the system chose when 0 was asked for. */
  async listen(listener: Listener): Promise<number> {
    const server = new Server(channelOptions(this.#options.maxConnectionAgeMs));
    server.addService(discoveryService, {
      StreamAggregatedResources: (call: Parameters<typeof stateWire>[0]) =>
        void this.#serve(call, stateWire(call), listener.authenticated, receivedSotw),
      DeltaAggregatedResources: (call: Parameters<typeof deltaWire>[0]) =>
        void this.#serve(call, deltaWire(call), listener.authenticated, receivedDelta),
    });
    server.addService(certificateServiceDefinition, {
      CreateCertificate: (call: CertificateCall, callback: sendUnaryData<IstioCertificateResponse>) => {
        void this.#certify(call.metadata, call.request).then(
          (certChain) =>
            callback(null, { $typeName: 'istio.v1.auth.IstioCertificateResponse', certChain: [...certChain] }),
          (refused: Refused) => callback(refused),
        );
      },
    });
    this.#servers.push(server);
    return bound(server, listener);
  }

  /** Something changed: every stream gets a turn. */
  pushAll(): void {
    for (const stream of this.#streams) if (stream.node !== undefined) this.queue.mark(stream);
  }

  /** Sends the proxies to another replica, then closes whatever is left. */
  async close(graceMs = 2_000): Promise<void> {
    this.#draining = true;
    clearInterval(this.#timer);
    for (const stream of this.#streams) stream.end(goingAway);
    await Promise.all(this.#servers.map((server) => shutDown(server, graceMs)));
  }

  async #serve<Request>(
    call: Duplex<Request>,
    wire: StreamWire,
    authenticated: boolean,
    received: (request: Request) => ReceivedRequest,
  ): Promise<void> {
    // Without a listener an aborted call would take the process with it.
    call.on('error', () => undefined);
    const caller = await this.#admit(call.metadata, authenticated);
    if (call.cancelled) return;
    if (!caller.ok) {
      wire.end(caller.refused);
      return;
    }
    const stream = this.#open(wire, caller.identity);
    call.on('cancelled', () => this.#forget(stream));
    call.on('error', () => this.#forget(stream));
    call.on('end', () => {
      this.#forget(stream);
      call.end();
    });
    // Reading begins here: what came during the review of the token was not lost.
    call.on('data', (request: Request) => stream.receive(received(request)));
  }

  async #admit(metadata: Metadata, authenticated: boolean): Promise<Caller> {
    if (this.#draining) return { ok: false, refused: goingAway };
    if (this.#options.source() === undefined) {
      const details = 'the mesh model is not complete yet; try again';
      return { ok: false, refused: { code: grpcStatus.UNAVAILABLE, details } };
    }
    if (!this.#rate.admits()) {
      const details = 'too many new streams at once; try again (limit: --max-streams-per-second)';
      return { ok: false, refused: { code: grpcStatus.RESOURCE_EXHAUSTED, details } };
    }
    return authenticated ? callerOf(metadata, this.#options.reviews) : { ok: true, identity: undefined };
  }

  #open(wire: StreamWire, identity: WorkloadIdentity | undefined): ProxyStream {
    const { source, digest, observer, clock } = this.#options;
    const id = (this.#lastId += 1);
    const stream = new ProxyStream({
      id,
      wire,
      identity,
      source,
      digest,
      observer,
      connectedAt: clock.now(),
      queue: this.queue,
    });
    this.#streams.add(stream);
    observer.opened(stream);
    return stream;
  }

  #forget(stream: ProxyStream | undefined): void {
    if (stream === undefined || !this.#streams.delete(stream)) return;
    stream.closed();
    this.queue.forget(stream);
    this.#options.observer.gone(stream);
  }

  /** Rejects with a `Refused`. */
  async #certify(
    metadata: Metadata,
    request: { readonly csr: string; readonly validityDuration: bigint },
  ): Promise<readonly string[]> {
    const caller = await callerOf(metadata, this.#options.reviews);
    if (!caller.ok) throw caller.refused;
    if (caller.identity === undefined) throw goingAway;
    try {
      return this.#options.certificates.issue(request.csr, Number(request.validityDuration), caller.identity);
    } catch (error) {
      const details = error instanceof Error ? error.message : String(error);
      throw { code: grpcStatus.INVALID_ARGUMENT, details } satisfies Refused;
    }
  }
}

function deltaWire(call: Duplex<Parameters<typeof receivedDelta>[0]>): StreamWire {
  return wireOf(call, 'delta', ({ typeUrl, nonce, version, resources, removed }) =>
    encodeDeltaDiscoveryResponse({ typeUrl, nonce, resources, systemVersionInfo: version, removedResources: removed }),
  );
}

function stateWire(call: Duplex<Parameters<typeof receivedSotw>[0]>): StreamWire {
  return wireOf(call, 'sotw', ({ typeUrl, nonce, version, resources }) =>
    encodeDiscoveryResponse({ typeUrl, nonce, resources, versionInfo: version }),
  );
}

function wireOf<Request>(
  call: Duplex<Request>,
  protocol: Protocol,
  encode: (outgoing: Outgoing) => Uint8Array,
): StreamWire {
  return {
    protocol,
    write: (outgoing) => {
      const { buffer, byteOffset, byteLength } = encode(outgoing);
      call.write(Buffer.from(buffer, byteOffset, byteLength));
      return byteLength;
    },
    // grpc-js ends the call with the status of an error that is emitted on it.
    end: ({ code, details }) => call.emit('error', { code, details }),
  };
}

function channelOptions(maxConnectionAgeMs: number): ConstructorParameters<typeof Server>[0] {
  const age = maxConnectionAgeMs === 0 ? {} : { 'grpc.max_connection_age_ms': maxConnectionAgeMs };
  return {
    'grpc.max_receive_message_length': 16 * 1024 * 1024,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_connection_age_grace_ms': 10_000,
    ...age,
  };
}

function bound(server: Server, { address, credentials }: Listener): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(new Error(`cannot listen on ${address}: ${error.message}`));
    });
  });
}

function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
