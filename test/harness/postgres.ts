import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '#kube';
import { EmbeddedPostgres } from '../../libs/store/src/embedded/supervisor.js';

/** A real PostgreSQL server by URL, as an operator would give it in DATABASE_URL. */
export interface PostgresServer {
  readonly url: string;
  pid(): number | undefined;
  stop(): Promise<void>;
}

/** A new folder that PostgreSQL's own user may walk through. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-store-'));
  chmodSync(directory, 0o711);
  return directory;
}

/** Starts a server in a temporary directory (or a given one, which is then left in place). */
export function startPostgres(directory?: string): PostgresServer {
  const place = directory ?? temporaryDirectory();
  const server = new EmbeddedPostgres(place, silentLogger);
  server.start();
  return {
    url: server.url,
    pid: () => server.pid,
    stop: async () => {
      await server.stop();
      if (directory === undefined) rmSync(place, { recursive: true, force: true });
    },
  };
}
