import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { round, runCaller } from './calls.js';
import type { Caller, CallOptions, CallResult } from './calls.js';

/** One line there and one back over one kept connection; the target is `host:port`. A broken connection is made anew for the next call. */
export function tcpCaller(): Caller {
  const answered = new WeakSet<Socket>();
  let socket: Socket | undefined;
  let closing = false;
  let breaks = 0;
  return {
    call: async (options) => {
      if (socket === undefined || socket.destroyed) {
        const fresh = open(options.target);
        fresh.once('close', () => (breaks += !closing && answered.has(fresh) ? 1 : 0));
        socket = fresh;
      }
      const result = await callTcp(socket, options);
      if (result.ok) answered.add(socket);
      else socket.destroy();
      return result;
    },
    close: () => {
      closing = true;
      socket?.destroy();
    },
    breaks: () => breaks,
    standing: () => (socket !== undefined && !socket.destroyed && answered.has(socket) ? 1 : 0),
  };
}

function open(target: string): Socket {
  const colon = target.lastIndexOf(':');
  const socket = connect(Number(target.slice(colon + 1)), target.slice(0, colon));
  socket.setNoDelay(true);
  // Between calls nobody else listens; the next call sees that the socket is destroyed.
  socket.on('error', () => socket.destroy());
  return socket;
}

function callTcp(socket: Socket, options: CallOptions): Promise<CallResult> {
  const started = performance.now();
  return new Promise((resolve) => {
    let received = '';
    const finish = (result: Omit<CallResult, 'ms'>): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('close', onClose);
      resolve({ ...result, ms: round(performance.now() - started) });
    };
    const onData = (chunk: Buffer): void => {
      received += chunk.toString('utf8');
      const end = received.indexOf('\n');
      if (end >= 0) finish({ ok: true, body: received.slice(0, end) });
    };
    const onError = (error: Error): void => finish({ ok: false, error: error.message });
    const onClose = (): void => finish({ ok: false, error: 'connection closed before an answer' });
    const timer = setTimeout(
      () => finish({ ok: false, error: `no answer within ${options.timeoutMs} ms` }),
      options.timeoutMs,
    );
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.write(`${options.body ?? 'hello'}\n`);
  });
}

if (process.argv[1]?.endsWith('call-tcp.js') === true) await runCaller('call-tcp', tcpCaller);
