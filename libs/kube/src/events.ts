import type { KubeClient } from './client.js';
import { ConflictError, NotFoundError } from './errors.js';
import type { KubeLogger } from './logger.js';
import type { ApiObject } from './object.js';
import { pathFor, resources } from './resource.js';

/** The same event about the same object is one Event object for so long (it runs out after an hour in the API server). */
const seriesWindowMs = 10 * 60_000;
/** A repeated event updates its count at most this often. */
const seriesUpdateMs = 10_000;
const mostSeries = 2_000;
const noteLimit = 1_000;

export interface EventToWrite {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, one of the kind's reasons. */
  readonly reason: string;
  readonly note: string;
  /** CamelCase: what was being done. */
  readonly action: string;
}

export interface EventWriterOptions {
  readonly client: KubeClient;
  /** For instance `isthmus.dev/controller`. */
  readonly controller: string;
  /** The pod's name. */
  readonly instance: string;
  readonly logger: KubeLogger;
  readonly now?: () => number;
}

interface Series {
  readonly namespace: string;
  readonly name: string;
  readonly since: number;
  count: number;
  writtenAt: number;
}

/** Writes Events (events.k8s.io/v1), repeated ones as one series. Never throws, never waits: an event is a courtesy. */
export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #series = new Map<string, Series>();
  #tail: Promise<void> = Promise.resolve();

  constructor(options: EventWriterOptions) {
    this.#options = options;
  }

  write(regarding: ApiObject, event: EventToWrite): void {
    this.#tail = this.#tail
      .then(() => this.#record(regarding, event))
      .catch((error: unknown) => {
        this.#options.logger.warn({ err: error, reason: event.reason }, 'an Event could not be written');
      });
  }

  /** Resolves when all events so far are written or given up. */
  async flush(): Promise<void> {
    await this.#tail;
  }

  async #record(regarding: ApiObject, event: EventToWrite): Promise<void> {
    const now = (this.#options.now ?? Date.now)();
    const key = [regarding.metadata?.uid, regarding.metadata?.name, event.type, event.reason, event.note].join('|');
    const series = this.#series.get(key);
    if (series !== undefined && now - series.since < seriesWindowMs) {
      series.count += 1;
      if (now - series.writtenAt >= seriesUpdateMs) await this.#update(series, now);
      return;
    }
    await this.#create(key, regarding, event, now);
  }

  async #update(series: Series, now: number): Promise<void> {
    series.writtenAt = now;
    const body = { series: { count: series.count, lastObservedTime: microTime(now) } };
    const path = pathFor(resources.events, { namespace: series.namespace, name: series.name });
    try {
      await this.#options.client.patch(path, body, 'application/merge-patch+json');
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  async #create(key: string, regarding: ApiObject, event: EventToWrite, now: number): Promise<void> {
    const { name = '', namespace: place, uid, resourceVersion } = regarding.metadata ?? {};
    const namespace = place ?? 'default';
    const eventName = `${name.slice(0, 200)}.${now.toString(16)}${Math.floor(Math.random() * 0xffff).toString(16)}`;
    const object = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace, name: eventName },
      eventTime: microTime(now),
      reportingController: this.#options.controller,
      reportingInstance: this.#options.instance.slice(0, 128),
      action: event.action,
      type: event.type,
      reason: event.reason,
      note: event.note.slice(0, noteLimit),
      regarding: {
        apiVersion: regarding.apiVersion,
        kind: regarding.kind,
        name,
        namespace: place,
        uid,
        resourceVersion,
      },
    };
    this.#remember(key, { namespace, name: eventName, since: now, count: 1, writtenAt: now });
    try {
      await this.#options.client.create(object);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
    }
  }

  #remember(key: string, series: Series): void {
    if (this.#series.size >= mostSeries) {
      const oldest = this.#series.keys().next();
      if (!oldest.done) this.#series.delete(oldest.value);
    }
    this.#series.delete(key);
    this.#series.set(key, series);
  }
}

function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
