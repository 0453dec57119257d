import { faultOf } from './fault.js';
import type { Fault } from './fault.js';
import { limits } from './limits.js';

/** Collects faults up to the limit, then only counts: a hostile document must not make a long report. */
export class FaultList {
  readonly #faults: Fault[] = [];
  #more = 0;

  add(reason: Fault['reason'], field: string, value: unknown, message: string): void {
    if (this.#faults.length < limits.faults) this.#faults.push(faultOf(reason, field, value, message));
    else this.#more += 1;
  }

  list(): readonly Fault[] {
    if (this.#more === 0) return this.#faults;
    return [
      ...this.#faults,
      faultOf('DocumentInvalid', '(document)', this.#more, 'further faults of this document are not listed'),
    ];
  }
}
