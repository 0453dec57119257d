/** Counts, for each watch, what it was to see and what it saw: an event carries its number, and belongs to the group `number % groups`. */
export class WatchTally {
  readonly delays: number[] = [];
  readonly #groups: number;
  readonly #writtenAt: number[] = [];
  readonly #seen: Map<number, number>[];
  #strange = 0;

  constructor(watches: number, groups: number) {
    this.#groups = groups;
    this.#seen = Array.from({ length: watches }, () => new Map());
  }

  groupOf(watch: number): number {
    return watch % this.#groups;
  }

  /** Notes that event `written.length` is about to be written; answers its number and group. */
  write(at: number): { readonly event: number; readonly group: number } {
    const event = this.#writtenAt.push(at) - 1;
    return { event, group: event % this.#groups };
  }

  see(watch: number, event: number, at: number): void {
    const writtenAt = this.#writtenAt[event];
    const seen = this.#seen[watch];
    if (writtenAt === undefined || seen === undefined || event % this.#groups !== this.groupOf(watch)) {
      this.#strange += 1;
      return;
    }
    const before = seen.get(event) ?? 0;
    seen.set(event, before + 1);
    if (before === 0) this.delays.push(at - writtenAt);
  }

  /** `strange` = events that this watch was not to see, or that were never written. */
  sum(): { readonly expected: number; readonly lost: number; readonly doubled: number; readonly strange: number } {
    const perGroup = Array.from({ length: this.#groups }, (_, group) =>
      Math.max(0, Math.ceil((this.#writtenAt.length - group) / this.#groups)),
    );
    const expected = this.#seen.reduce((sum, _seen, watch) => sum + (perGroup[this.groupOf(watch)] ?? 0), 0);
    const all = this.#seen.flatMap((seen) => [...seen.values()]);
    const doubled = all.reduce((sum, count) => sum + count - 1, 0);
    return { expected, lost: expected - all.length, doubled, strange: this.#strange };
  }
}

/** Calls back with the number of every event in a watch's bytes, however they are cut. */
export function eventsIn(onEvent: (event: number) => void): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = eventNumber.exec(line)?.[1];
      if (event !== undefined) onEvent(Number(event));
    }
  };
}

export const eventAnnotation = 'isthmus-bench/event';
const eventNumber = new RegExp(`"${eventAnnotation}":"(\\d+)"`);
