import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { Clock } from '#model';
import { buildCsr, issueWorkloadCertificate, longestTtlSeconds, type WorkloadCa } from '#trust';

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

const serverTtlSeconds = 24 * 3600;

/** The workload CA at work. The CA itself may be replaced at any time; what was issued stays valid until its end. */
export class CertificateAuthority {
  readonly #trustDomain: string;
  readonly #clock: Clock;
  #ca: WorkloadCa;

  constructor(ca: WorkloadCa, options: { readonly trustDomain: string; readonly clock: Clock }) {
    this.#ca = ca;
    this.#trustDomain = options.trustDomain;
    this.#clock = options.clock;
  }

  replace(ca: WorkloadCa): void {
    this.#ca = ca;
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
  issue(csrPem: string, ttlSeconds: number, holder: CertificateHolder): readonly string[] {
    if (!Number.isSafeInteger(ttlSeconds)) throw new Error(`validity_duration: at most ${longestTtlSeconds} s`);
    const issued = issueWorkloadCertificate(this.#ca, {
      csrPem,
      spiffeIds: [`spiffe://${this.#trustDomain}/ns/${holder.namespace}/sa/${holder.serviceAccount}`],
      ttlSeconds,
      now: this.#clock.now(),
      serial: randomBytes(16),
    });
    return [...issued.chain.map(endedByNewline), bundle(issued.roots)];
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

function bundle(pems: readonly string[]): string {
  return pems.map(endedByNewline).join('');
}

function endedByNewline(pem: string): string {
  return pem.endsWith('\n') ? pem : `${pem}\n`;
}
