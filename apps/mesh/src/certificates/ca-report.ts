import type { ConfigMap } from '#istio-api';
import { applyIfChanged, pathFor, resources, type ApiObject, type KubeClient } from '#kube';
import { labels, names } from '#model';
import { nextCaChangeMs, parseCertificate, phaseOf } from '#trust';
import type { LoadedCa } from './ca-secret.js';

/** How a change of roots stands, as ConfigMap `isthmus-ca` tells it; moments as RFC 3339. */
export interface RotationReport {
  readonly phase: 'plugged-in' | 'issuing' | 'announced' | 'leaving';
  /** The request that was last begun. */
  readonly request?: string;
  /** The roots that proxies verify with, `sha256:<hex>` of the DER. */
  readonly roots: readonly string[];
  /** When the next phase begins at the earliest. */
  readonly nextChangeAt?: string;
  readonly message: string;
  /** Why revocation lists that are there are not enforced. */
  readonly crlFault?: string;
}

export interface ReportFacts {
  readonly crlFault: string | undefined;
  readonly now: number;
  readonly announceMs: number;
  readonly request: string | undefined;
  readonly distributed: boolean;
}

const fieldManager = 'isthmus-mesh';

/** What is told of a CA. Pure. */
export function rotationReport({ ca, own }: LoadedCa, facts: ReportFacts): RotationReport {
  const roots = ca.roots.map((pem) => `sha256:${parseCertificate(pem).fingerprint}`);
  const fault = facts.crlFault === undefined ? {} : { crlFault: facts.crlFault };
  if (own === undefined) return { phase: 'plugged-in', roots, message: pluggedInMessage(facts.request), ...fault };
  const phase = phaseOf(own.state);
  const wait = nextCaChangeMs(own.state, facts);
  const { request } = own.state.rotation;
  return {
    phase,
    ...(request === undefined ? {} : { request }),
    roots,
    ...(wait === undefined ? {} : { nextChangeAt: new Date(facts.now + wait).toISOString() }),
    message: messageOf(phase, wait, facts),
    ...fault,
  };
}

function messageOf(phase: RotationReport['phase'], wait: number | undefined, { distributed }: ReportFacts): string {
  switch (phase) {
    case 'announced':
      return wait === 0 && !distributed
        ? `the new root waits: some namespaces do not have it in ConfigMap ${names.rootCertConfigMap} yet`
        : 'the new root is trusted beside the old one, which still issues';
    case 'leaving':
      return 'the new root issues; the old one is trusted until the last certificate under it has ended';
    default:
      return 'one root; nothing is under way';
  }
}

function pluggedInMessage(request: string | undefined): string {
  const where = `the CA is plugged in by Secret ${names.pluggedInCaSecret}`;
  return request === undefined
    ? where
    : `${where}, so its owner replaces the root: add the new one to root-cert.pem and its certificate by the old CA to cross-cert.pem, wait until peers have them, then replace ca-cert.pem, ca-key.pem and cert-chain.pem; take the old root away when the last certificate under it has ended`;
}

/** Tells the controller, through the release namespace: cross-certificates and revocation lists for the public document, and how a change stands. */
export class CaReport {
  readonly #client: KubeClient;
  readonly #namespace: string;
  #written: string | undefined;

  constructor(client: KubeClient, namespace: string) {
    this.#client = client;
    this.#namespace = namespace;
  }

  async write(loaded: LoadedCa, facts: ReportFacts): Promise<void> {
    const { crossCertificates, crls } = loaded.ca;
    const data = {
      [names.crossCertKey]: crossCertificates.join(''),
      [names.caCrlKey]: crls.join(''),
      [names.caRotationKey]: JSON.stringify(rotationReport(loaded, facts)),
    };
    const text = JSON.stringify(data);
    if (text === this.#written) return;
    const [namespace, name] = [this.#namespace, names.caReportConfigMap];
    const live = await this.#client.get<ConfigMap & ApiObject>(pathFor(resources.configMaps, { namespace, name }));
    const metadata = { namespace, name, labels: { [labels.managedBy]: labels.managedByValue } };
    const desired: ConfigMap & ApiObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data };
    await applyIfChanged({ client: this.#client, desired, live, fieldManager });
    this.#written = text;
  }
}
