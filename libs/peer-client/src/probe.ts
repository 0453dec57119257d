import { connect } from 'node:net';

/** TCP connect to a gateway; resolves with milliseconds it took, or why it failed. Says nothing about what answers there. */
export function probeTcp(
  address: string,
  port: number,
  timeoutMs: number,
): Promise<{ readonly ms: number } | { readonly error: string }> {
  return new Promise((done) => {
    const started = performance.now();
    const socket = connect({ host: address, port, timeout: timeoutMs });
    const finish = (result: { readonly ms: number } | { readonly error: string }): void => {
      socket.destroy();
      done(result);
    };
    socket.once('connect', () => finish({ ms: performance.now() - started }));
    socket.once('timeout', () => finish({ error: `no answer within ${timeoutMs} ms` }));
    socket.once('error', (error) => finish({ error: error.message }));
  });
}
