import type { KubeLogger } from '#kube';
import type { Clock } from '#model';
import { readCa, type CaSecretOptions, type LoadedCa } from './ca-secret.js';
import type { CertificateAuthority, ServerCertificate, ServerNames } from './certificate-authority.js';

export interface CaKeeperOptions {
  readonly secret: CaSecretOptions;
  readonly authority: CertificateAuthority;
  readonly loaded: LoadedCa;
  readonly names: ServerNames;
  readonly certificate: ServerCertificate;
  readonly clock: Clock;
  readonly logger: KubeLogger;
  /** The server's certificate was renewed. */
  readonly onCertificate: (certificate: ServerCertificate) => void;
  /** The roots are others now. */
  readonly onRoots: () => void;
}

const lookEveryMs = 10_000;

/** Looks after the CA while the program runs: a changed Secret is taken up, the server's certificate renewed at half its life. */
export class CaKeeper {
  readonly #options: CaKeeperOptions;
  #version: string;
  #renewAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CaKeeperOptions) {
    this.#options = options;
    this.#version = versionOf(options.loaded);
    this.#renewAt = halfLife(options.certificate, options.clock.now());
  }

  start(signal: AbortSignal): void {
    this.#timer = setInterval(() => void this.look(), lookEveryMs).unref();
    signal.addEventListener('abort', () => clearInterval(this.#timer), { once: true });
  }

  /** One look; failures are logged and looked at again next time, what worked before goes on working. */
  async look(): Promise<void> {
    const { clock, logger } = this.#options;
    try {
      await this.#takeUpChanges();
    } catch (error) {
      logger.warn({ err: error }, 'the workload CA could not be read again; the one in use stays');
    }
    if (clock.now() >= this.#renewAt) this.#renew();
  }

  async #takeUpChanges(): Promise<void> {
    const { secret, authority, logger, onRoots } = this.#options;
    const now = await readCa(secret);
    if (now === undefined || versionOf(now) === this.#version) return;
    const before = authority.rootBundle;
    authority.replace(now.ca);
    this.#version = versionOf(now);
    logger.info({ secret: now.secretName }, 'the workload CA changed');
    this.#renew();
    if (authority.rootBundle !== before) onRoots();
  }

  #renew(): void {
    const { authority, names, clock, onCertificate } = this.#options;
    const certificate = authority.serverCertificate(names);
    this.#renewAt = halfLife(certificate, clock.now());
    onCertificate(certificate);
  }
}

function versionOf({ secretName, version }: LoadedCa): string {
  return `${secretName}@${version}`;
}

function halfLife({ notAfter }: ServerCertificate, now: number): number {
  return now + (notAfter - now) / 2;
}
