import type { AddressInfo, Server } from 'node:net';

/** Lets an application listen on loopback; gives its port. */
export async function onLoopback(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}
