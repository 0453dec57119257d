import type { ServiceDefinition } from '@grpc/grpc-js';

export interface EchoRequest {
  readonly message: string;
}

export interface EchoReply {
  readonly pod: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly message: string;
  /** Metadata as it arrived. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

/** One unary method whose messages are JSON: to a proxy it is gRPC like any other, and no code needs generating. */
export const echoService = {
  Call: {
    path: '/lab.Echo/Call',
    requestStream: false,
    responseStream: false,
    requestSerialize: encode,
    requestDeserialize: (bytes: Buffer) => JSON.parse(bytes.toString('utf8')) as EchoRequest,
    responseSerialize: encode,
    responseDeserialize: (bytes: Buffer) => JSON.parse(bytes.toString('utf8')) as EchoReply,
  },
} satisfies ServiceDefinition;
