import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Clock } from '#model';
import {
  buildCsr,
  defaultTtlSeconds,
  issueWorkloadCertificate,
  listsUsableAt,
  longestTtlSeconds,
  readLists,
  type IssuedCertificate,
  type ReadLists,
  type UsableLists,
  type WorkloadCa,
} from '#trust';

/** Who asks for a certificate, as its token proved. */
export interface CertificateHolder {
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** A TLS server's own certificate, PEM. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly notAfter: number;
}

export interface ServerNames {
  readonly dnsNames: readonly string[];
  readonly ips: readonly string[];
  /** Identity of this program itself. */
  readonly spiffeId: string;
}

export interface CertificateAuthorityOptions {
  readonly trustDomain: string;
  readonly clock: Clock;
  /** Certificates that are asked for longer are issued for so long. */
  readonly maxTtlSeconds: number;
}

/** What was issued: Istio's answer, and what the record of lifetimes needs. */
export interface IssuedWorkloadCertificate {
  readonly chain: readonly string[];
  readonly issued: IssuedCertificate;
}

const serverTtlSeconds = 24 * 3600;

/** The workload CA at work. The CA itself may be replaced at any time; what was issued stays valid until its end. */
export class CertificateAuthority {
  readonly #trustDomain: string;
  readonly #clock: Clock;
  readonly #maxTtlSeconds: number;
  #ca: WorkloadCa;
  /** Of the CA's own, read once: the model asks for them each time it is made. */
  #lists: ReadLists;
  #crls: readonly string[] = [];

  constructor(ca: WorkloadCa, options: CertificateAuthorityOptions) {
    this.#ca = ca;
    this.#lists = listsOf(ca);
    this.#trustDomain = options.trustDomain;
    this.#clock = options.clock;
    this.#maxTtlSeconds = options.maxTtlSeconds;
  }

  replace(ca: WorkloadCa): void {
    this.#lists = listsOf(ca);
    this.#ca = ca;
  }

  /** Revocation lists in force, PEM each: a complete, current set or nothing. The same array while they are the same. */
  get crls(): readonly string[] {
    const usable = this.#usable.crls;
    if (usable.join('') !== this.#crls.join('')) this.#crls = usable;
    return this.#crls;
  }

  /** When time alone may change `crls` and `crlFault`, Unix milliseconds. */
  get crlsChangeAt(): number | undefined {
    return this.#usable.changesAt;
  }

  /** Why lists that are there are not in force. */
  get crlFault(): string | undefined {
    return this.#usable.fault;
  }

  get #usable(): UsableLists {
    return listsUsableAt(this.#lists, this.#clock.now());
  }

  /** All that proxies verify with, as one text. */
  get verifiesWith(): string {
    return `${this.rootBundle}${this.crls.join('')}`;
  }

  /** PEM, one certificate each. */
  get roots(): readonly string[] {
    return this.#ca.roots;
  }

  /** All roots as one PEM text. */
  get rootBundle(): string {
    return bundle(this.#ca.roots);
  }

  /** End of the signing certificate, Unix milliseconds. */
  get notAfter(): number {
    return this.#ca.certificate.notAfter;
  }

  /**
   * Istio's certificate service: the names in the request do not count, the authenticated identity does. Answers leaf,
   * intermediates, and last all roots in one text; throws when the request proves nothing or asks for too long a life.
   */
  issue(csrPem: string, ttlSeconds: number, holder: CertificateHolder): IssuedWorkloadCertificate {
    if (!Number.isSafeInteger(ttlSeconds)) throw new Error(`validity_duration: at most ${longestTtlSeconds} s`);
    const asked = ttlSeconds > 0 ? ttlSeconds : defaultTtlSeconds;
    const issued = issueWorkloadCertificate(this.#ca, {
      csrPem,
      spiffeIds: [`spiffe://${this.#trustDomain}/ns/${holder.namespace}/sa/${holder.serviceAccount}`],
      ttlSeconds: asked > longestTtlSeconds ? asked : Math.min(asked, this.#maxTtlSeconds),
      now: this.#clock.now(),
      serial: randomBytes(16),
    });
    return {
      chain: [...issued.chain.map(endedByNewline), bundle(issued.roots)],
      issued: { notAfter: issued.notAfter, root: this.#ca.root },
    };
  }

  /** Certificate of our own server, with a key made for it. */
  serverCertificate({ dnsNames, ips, spiffeId }: ServerNames): ServerCertificate {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const issued = issueWorkloadCertificate(this.#ca, {
      csrPem: buildCsr(privateKey),
      spiffeIds: [spiffeId],
      dnsNames,
      ips,
      ttlSeconds: serverTtlSeconds,
      now: this.#clock.now(),
      serial: randomBytes(16),
    });
    return {
      cert: bundle(issued.chain),
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      ca: bundle(issued.roots),
      notAfter: issued.notAfter,
    };
  }
}

function listsOf({ crls, roots, intermediates }: WorkloadCa): ReadLists {
  return readLists(crls, [...roots, ...intermediates]);
}

function bundle(pems: readonly string[]): string {
  return pems.map(endedByNewline).join('');
}

function endedByNewline(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}
