import { randomBytes } from 'node:crypto';
import type { KubeLogger } from '#kube';
import type { Clock } from '#model';
import { advanceCa, nextCaChangeMs, phaseOf, recordIssued, type CaState, type IssuedCertificate } from '#trust';
import type { CaReport } from './ca-report.js';
import { createOwnCa, freshCa, readCa, replaceOwnCa, type CaSecretOptions, type LoadedCa } from './ca-secret.js';
import type { CertificateAuthority, ServerCertificate, ServerNames } from './certificate-authority.js';

export interface CaKeeperOptions {
  readonly secret: CaSecretOptions;
  readonly authority: CertificateAuthority;
  readonly loaded: LoadedCa;
  readonly names: ServerNames;
  readonly certificate: ServerCertificate;
  readonly report: CaReport;
  /** How long a new root is announced, at least, before it issues. */
  readonly announceMs: number;
  readonly clock: Clock;
  readonly logger: KubeLogger;
  /** The wish for another root as it stands. */
  readonly request: () => string | undefined;
  /** True when every namespace holds the roots in use. */
  readonly distributed: () => boolean;
  /** The server's certificate was renewed. */
  readonly onCertificate: (certificate: ServerCertificate) => void;
  /** The roots, or what revokes under them, are others now. */
  readonly onRoots: () => void;
}

const lookEveryMs = 10_000;
/** What time alone changes is looked at so much later, for a clock that is a little behind. */
const slackMs = 50;

/**
 * Looks after the CA while the program runs: a changed Secret is taken up, the server's certificate renewed at half its life, a change of roots
 * carried on. Every replica does: the Secret is changed only by who read it last, so each step is taken once.
 */
export class CaKeeper {
  readonly #options: CaKeeperOptions;
  #version: string;
  #last: LoadedCa;
  #renewAt: number;
  #soon: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #toldFault: string | undefined;
  #verifiesWith: string;
  readonly #issued = new Map<string, IssuedCertificate>();

  constructor(options: CaKeeperOptions) {
    this.#options = options;
    this.#version = options.loaded.version;
    this.#verifiesWith = options.authority.verifiesWith;
    this.#last = options.loaded;
    this.#renewAt = halfLife(options.certificate, options.clock.now());
  }

  start(signal: AbortSignal): void {
    const timer = setInterval(() => void this.look(), lookEveryMs).unref();
    const stop = (): void => {
      clearInterval(timer);
      clearTimeout(this.#soon);
    };
    signal.addEventListener('abort', stop, { once: true });
    void this.look();
  }

  /** One look; failures are logged and looked at again next time, what worked before goes on working. */
  look(): Promise<void> {
    this.#again = this.#looking !== undefined;
    this.#looking ??= this.#lookAll().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** A certificate was issued: how long it lasts decides how long its root stays. */
  issued(certificate: IssuedCertificate): void {
    const known = this.#issued.get(certificate.root);
    if (known !== undefined && known.notAfter >= certificate.notAfter) return;
    this.#issued.set(certificate.root, certificate);
    this.#lookIn(slackMs);
  }

  async #lookAll(): Promise<void> {
    const { clock, logger } = this.#options;
    do {
      this.#again = false;
      try {
        await this.#lookOnce();
      } catch (error) {
        logger.warn({ err: error }, 'the workload CA could not be looked after; the one in use stays');
      }
      if (clock.now() >= this.#renewAt) this.#renew();
    } while (this.#again);
  }

  async #lookOnce(): Promise<void> {
    const { secret, authority, report, request, distributed, announceMs, clock } = this.#options;
    const read = await readCa(secret);
    if (read === undefined) return this.#restore();
    this.#takeUp(read);
    const loaded = await this.#advanced(read);
    this.#last = loaded;
    const { crlFault } = authority;
    this.#tellFault(crlFault);
    const facts = { now: clock.now(), announceMs, request: request(), distributed: distributed(), crlFault };
    await report.write(loaded, facts);
    const step = loaded.own === undefined ? undefined : nextCaChangeMs(loaded.own.state, facts);
    const lists = authority.crlsChangeAt === undefined ? undefined : authority.crlsChangeAt - clock.now();
    const wait = Math.min(...[step, lists].filter((ms) => ms !== undefined));
    if (wait < lookEveryMs) this.#lookIn(Math.max(wait, 200) + slackMs);
  }

  /** The CA in use goes on being this cluster's: without its Secret the next replica would make another, which no peer knows. */
  async #restore(): Promise<void> {
    const { secret, logger } = this.#options;
    const { own, secretName } = this.#last;
    if (own === undefined) {
      logger.warn(
        { secret: secretName },
        'the Secret of the workload CA is gone and is not ours to make: put it back; the CA in use stays until then',
      );
      return;
    }
    await createOwnCa(secret, own.state);
    logger.warn({ secret: secretName }, 'the Secret of the workload CA was gone: it is made again, the same');
    this.#again = true;
  }

  #tellFault(fault: string | undefined): void {
    if (fault !== undefined && fault !== this.#toldFault)
      this.#options.logger.warn({ why: fault }, 'the revocation lists of the workload CA are not enforced');
    this.#toldFault = fault;
  }

  /** Takes the next step of a change of roots, if it is due and nobody else took it. */
  async #advanced(loaded: LoadedCa): Promise<LoadedCa> {
    const { secret, logger, request, distributed, announceMs, clock } = this.#options;
    const { own } = loaded;
    if (own === undefined) return loaded;
    const now = clock.now();
    const wish = request();
    const recorded = [...this.#issued.values()].reduce((state, each) => recordIssued(state, each, now), own.state);
    const next = advanceCa(recorded, {
      now,
      announceMs,
      distributed: distributed(),
      freshCa: () => freshCa(secret),
      serial: () => randomBytes(16),
      ...(wish === undefined ? {} : { request: wish }),
    });
    if (next === own.state) return loaded;
    if (!(await replaceOwnCa(secret, next, own.resourceVersion))) {
      this.#again = true;
      return loaded;
    }
    if (phaseOf(next) !== phaseOf(own.state)) logger.info(told(next), 'the change of roots went on');
    const written = (await readCa(secret)) ?? loaded;
    this.#takeUp(written);
    return written;
  }

  #takeUp(loaded: LoadedCa): void {
    const { authority, logger } = this.#options;
    if (loaded.version !== this.#version) {
      authority.replace(loaded.ca);
      this.#version = loaded.version;
      logger.info({ secret: loaded.secretName }, 'the workload CA changed');
      this.#renew();
    }
    this.#tellRoots();
  }

  /** Time alone changes it too: a revocation list begins, or leaves. */
  #tellRoots(): void {
    const { authority, onRoots } = this.#options;
    const { verifiesWith } = authority;
    if (verifiesWith === this.#verifiesWith) return;
    this.#verifiesWith = verifiesWith;
    onRoots();
  }

  #renew(): void {
    const { authority, names, clock, onCertificate } = this.#options;
    const certificate = authority.serverCertificate(names);
    this.#renewAt = halfLife(certificate, clock.now());
    onCertificate(certificate);
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.look(), ms).unref();
  }
}

function told(state: CaState): Readonly<Record<string, unknown>> {
  const { request, leavingUntil } = state.rotation;
  return { phase: phaseOf(state), request, ...(leavingUntil === undefined ? {} : { leavingUntil }) };
}

function halfLife({ notAfter }: ServerCertificate, now: number): number {
  return now + (notAfter - now) / 2;
}
