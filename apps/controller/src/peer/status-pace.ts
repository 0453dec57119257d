import type { PeerStatus } from '#crd';

/** What one change of a peer brings about (a document, a verdict, imports that stand) comes within so many milliseconds: one write tells it all. */
const gatherMs = 300;

/** When a status that differs from what was last told is written: at once where a condition turns, else with what follows it shortly. */
export class StatusPace {
  /** By peer key: since when there is something to tell; Unix milliseconds. */
  readonly #since = new Map<string, number>();

  /** Milliseconds that the write may wait; 0 = it is due. */
  delay(
    key: string,
    { before, status, now }: { before: PeerStatus | undefined; status: PeerStatus; now: number },
  ): number {
    // A clock that was set back makes it no longer.
    const since = Math.min(this.#since.get(key) ?? now, now);
    this.#since.set(key, since);
    return turns(before, status) ? 0 : Math.max(0, since + gatherMs - now);
  }

  /** Nothing is left to tell. */
  told(key: string): void {
    this.#since.delete(key);
  }
}

/** Whether somebody may wait for it (`kubectl wait`), or should look: a condition has another status or reason, or is about another spec. */
function turns(before: PeerStatus | undefined, status: PeerStatus): boolean {
  return before === undefined || signs(before) !== signs(status);
}

function signs({ observedGeneration, conditions = [] }: PeerStatus): string {
  return JSON.stringify([
    observedGeneration,
    ...conditions.map(({ type, status, reason, observedGeneration: of }) => [type, status, reason, of]),
  ]);
}
