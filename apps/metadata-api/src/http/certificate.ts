import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { Server } from 'node:tls';
import type { Logger } from '#platform';

const lookEveryMs = 1_000;

export interface ServingCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Reads tls.crt and tls.key; throws when they are missing or do not belong together. */
export function readCertificate(directory: string): ServingCertificate {
  const pair = {
    cert: readFileSync(join(directory, 'tls.crt'), 'utf8'),
    key: readFileSync(join(directory, 'tls.key'), 'utf8'),
  };
  createSecureContext(pair);
  return pair;
}

/**
 * Gives the server its certificate, and the new one whenever the files change: handshakes from then on use it, open connections stay.
 * Files that do not fit together (a Secret half updated) are left alone until they do. Returns the function that ends the watch.
 */
export function keepCertificate(
  server: Pick<Server, 'setSecureContext'>,
  directory: string,
  logger: Logger,
): () => void {
  let served = readCertificate(directory);
  server.setSecureContext({ ...served, minVersion: 'TLSv1.2' });
  let complained = false;
  const look = (): void => {
    try {
      const found = readCertificate(directory);
      complained = false;
      if (found.cert === served.cert && found.key === served.key) return;
      served = found;
      server.setSecureContext({ ...found, minVersion: 'TLSv1.2' });
      logger.info({ directory }, 'the serving certificate was renewed');
    } catch (error) {
      if (!complained)
        logger.warn({ err: error, directory }, 'the serving certificate cannot be read: the last one stays');
      complained = true;
    }
  };
  const timer = setInterval(look, lookEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}
