import { request as httpRequest } from 'node:http';
import { connect as http2Connect, constants } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Container, Handler, HttpGet } from '../pod/pod-types.js';
import type { RunResult } from '../pod/run-inside.js';

/** Where a probe or a lifecycle hook goes to. Like the kubelet's, they come from the node's network to the pod's address. */
export interface ProbeTarget {
  readonly address: string;
  readonly container: Container;
  run(command: readonly string[], timeoutMs: number): Promise<RunResult>;
}

/** Asks once. Undefined when all is well, else what is wrong. */
export async function check(handler: Handler, target: ProbeTarget, timeoutMs: number): Promise<string | undefined> {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler;
  try {
    if (exec !== undefined) {
      const { code, output } = await target.run(exec.command ?? [], timeoutMs);
      return code === 0 ? undefined : `exit code ${code}: ${output.trim()}`;
    }
    if (httpGet !== undefined) return await checkHttp(httpGet, target, timeoutMs);
    if (tcpSocket !== undefined) {
      const host = tcpSocket.host ?? target.address;
      return await checkTcp(host, portOf(tcpSocket.port, target.container), timeoutMs);
    }
    if (grpc !== undefined) return await checkGrpc(target.address, grpc.port, grpc.service ?? '', timeoutMs);
    if (sleep !== undefined) await new Promise((resolve) => setTimeout(resolve, sleep.seconds * 1000));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function portOf(port: number | string, container: Container): number {
  if (typeof port === 'number' || /^[0-9]+$/.test(port)) return Number(port);
  const named = container.ports?.find(({ name }) => name === port);
  if (named === undefined) throw new Error(`container ${container.name} has no port named ${port}`);
  return named.containerPort;
}

function checkHttp(get: HttpGet, target: ProbeTarget, timeoutMs: number): Promise<string | undefined> {
  const headers = Object.fromEntries((get.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  const options = {
    host: get.host ?? target.address,
    port: portOf(get.port, target.container),
    path: get.path ?? '/',
    headers: { 'user-agent': 'kube-probe/lab', connection: 'close', ...headers },
    agent: false,
    signal: AbortSignal.timeout(timeoutMs),
  } as const;
  return new Promise((resolve) => {
    // Like the kubelet's, an https probe doesn't look at the certificate.
    const secure = get.scheme?.toUpperCase() === 'HTTPS';
    const outgoing = secure ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
    outgoing.on('response', (response) => {
      const status = response.statusCode ?? 0;
      response.resume();
      response.on('error', () => undefined);
      resolve(status >= 200 && status < 400 ? undefined : `HTTP status ${status}`);
    });
    outgoing.on('error', (error) => resolve(error.message));
    outgoing.end();
  });
}

function checkTcp(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (fault?: string): void => {
      socket.destroy();
      resolve(fault);
    };
    socket.setTimeout(timeoutMs, () => end(`no connection within ${timeoutMs} ms`));
    socket.on('connect', () => end());
    socket.on('error', (error) => end(error.message));
  });
}

/** `grpc.health.v1.Health/Check`: one message in, one out, field 1 of the answer is 1 for SERVING. */
function checkGrpc(address: string, port: number, service: string, timeoutMs: number): Promise<string | undefined> {
  const name = Buffer.from(service);
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  return new Promise((resolve) => {
    const session = http2Connect(`http://${address}:${port}`);
    const end = (fault?: string): void => {
      session.destroy();
      resolve(fault);
    };
    session.setTimeout(timeoutMs, () => end(`no answer within ${timeoutMs} ms`));
    session.on('error', (error) => end(error.message));
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      te: 'trailers',
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error) => end(error.message));
    stream.on('end', () => {
      const answer = Buffer.concat(chunks);
      end(answer[5] === 0x08 && answer[6] === 1 ? undefined : 'gRPC health is not SERVING');
    });
    stream.end(frame);
  });
}
