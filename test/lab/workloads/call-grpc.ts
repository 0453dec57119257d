import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { round, runCaller } from './calls.js';
import type { Caller, CallOptions, CallResult } from './calls.js';
import { echoService } from './echo-service.js';
import type { EchoReply, EchoRequest } from './echo-service.js';

/** gRPC without TLS over one kept channel; the target is `host:port`. Calls that fail are not repeated by the client. */
export function grpcCaller(): Caller {
  let client: Client | undefined;
  return {
    call: (options) => {
      client ??= new Client(options.target, credentials.createInsecure(), { 'grpc.enable_retries': 0 });
      return callGrpc(client, options);
    },
    close: () => client?.close(),
  };
}

function callGrpc(client: Client, options: CallOptions): Promise<CallResult> {
  const started = performance.now();
  const metadata = new Metadata();
  for (const [name, value] of options.headers) metadata.add(name, value);
  const { path, requestSerialize, responseDeserialize } = echoService.Call;
  const deadline = Date.now() + options.timeoutMs;
  return new Promise((resolve) => {
    client.makeUnaryRequest<EchoRequest, EchoReply>(
      path,
      requestSerialize,
      responseDeserialize,
      { message: options.body ?? 'hello' },
      metadata,
      { deadline },
      (error: ServiceError | null, reply?: EchoReply) => {
        const ms = round(performance.now() - started);
        if (error === null) resolve({ ok: true, status: 0, body: reply, ms });
        else resolve({ ok: false, status: error.code, error: error.details, ms });
      },
    );
  });
}

if (process.argv[1]?.endsWith('call-grpc.js') === true) await runCaller('call-grpc', grpcCaller);
