/** What one part says of itself; `detail` is for people and holds no secrets. */
export interface HealthReport {
  readonly ok: boolean;
  readonly detail?: string;
}

export interface NamedReport extends HealthReport {
  readonly name: string;
  /** False for parts whose failure is said but does not take the program out of service. */
  readonly needed: boolean;
}

export interface Readiness {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly parts: readonly NamedReport[];
}

type Check = () => HealthReport;

/** Readiness of one program: parts register a check; once drained it is never ready again. */
export class Health {
  readonly #checks = new Map<string, { readonly check: Check; readonly needed: boolean }>();
  #draining = false;

  /** A part without which requests cannot be answered. */
  need(name: string, check: Check): void {
    this.#checks.set(name, { check, needed: true });
  }

  /** A part whose state is told in the detail only. */
  mention(name: string, check: Check): void {
    this.#checks.set(name, { check, needed: false });
  }

  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  readiness(): Readiness {
    const parts = [...this.#checks].map(([name, { check, needed }]) => ({ name, needed, ...guarded(check) }));
    const ready = !this.#draining && parts.every((part) => part.ok || !part.needed);
    return { ready, draining: this.#draining, parts };
  }
}

function guarded(check: Check): HealthReport {
  try {
    return check();
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
