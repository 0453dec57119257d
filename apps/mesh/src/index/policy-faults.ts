import type { KubeLogger } from '#kube';
import { policyFaults, type AuthorizationPolicy } from '#xds';

export interface PolicyFaultsOptions {
  readonly trustDomain: string;
  readonly logger: Pick<KubeLogger, 'warn'>;
}

/** Tells of AuthorizationPolicies that are not understood as a whole: each once, and again when it has changed. */
export class PolicyFaults {
  readonly #options: PolicyFaultsOptions;
  readonly #faults = new WeakMap<AuthorizationPolicy, readonly string[]>();
  #faulty = 0;

  constructor(options: PolicyFaultsOptions) {
    this.#options = options;
  }

  /** How many there are now. */
  get faulty(): number {
    return this.#faulty;
  }

  look(policies: readonly AuthorizationPolicy[]): void {
    this.#faulty = policies.filter((policy) => this.#faultsOf(policy).length > 0).length;
  }

  #faultsOf(policy: AuthorizationPolicy): readonly string[] {
    const known = this.#faults.get(policy);
    if (known !== undefined) return known;
    const { namespace, name, action } = policy;
    const faults = policyFaults(policy, this.#options.trustDomain);
    this.#faults.set(policy, faults);
    if (faults.length > 0) this.#options.logger.warn({ policy: `${namespace}/${name}`, faults }, told[action]);
    return faults;
  }
}

const told: Readonly<Record<AuthorizationPolicy['action'], string>> = {
  ALLOW: 'AuthorizationPolicy not understood: what holds these parts lets nobody in; correct or remove them',
  DENY: 'AuthorizationPolicy not understood: it denies as if these parts were not there; correct or remove them',
};
