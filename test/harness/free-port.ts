import { createServer } from 'node:net';

// Below the ports that the kernel gives to connections and to listen(0): nobody is given one of ours by chance.
const firstPort = 16_384;
const portsPerWorker = 2_048;
const mostWorkers = 8;

// Two runs on one machine have the same workers: each starts anywhere.
let next = Math.floor(Math.random() * portsPerWorker);

/** A TCP port that was free a moment ago, from a range that only this Jest worker takes from; none twice in a row. Rejects when all are taken. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const worker = (Number(process.env['JEST_WORKER_ID'] ?? 1) - 1) % mostWorkers;
  const first = firstPort + worker * portsPerWorker;
  for (let tried = 0; tried < portsPerWorker; tried += 1) {
    const port = first + (next % portsPerWorker);
    next += 1;
    if (await isFree(port, host)) return port;
  }
  throw new Error(`no port from ${first} to ${first + portsPerWorker - 1} is free on ${host}`);
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
