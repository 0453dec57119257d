import type { Resource } from '#proto';

/** Messages of which a large resource is made, one by one. */
export type PartKind = 'virtual host' | 'filter chain';

/**
 * Encoded resources, and encoded parts of large ones, by the text of all they depend on. What was not asked for during a whole
 * generation is forgotten with the next, so the cache holds about what two successive models need. Parts are asked for only when a
 * resource is made anew: for them a generation in which none was is none.
 */
export class ResourceCache {
  private readonly resources = new Generations<Resource>();
  private readonly parts = {
    'virtual host': new Generations<Uint8Array>(),
    'filter chain': new Generations<Uint8Array>(),
  } satisfies Record<PartKind, unknown>;

  /** Starts a generation; call it once per new model. */
  nextGeneration(): void {
    for (const each of [this.resources, ...Object.values(this.parts)]) each.next();
  }

  /** The resource of a key, built when it is not known. */
  resource(key: string, build: () => Resource): Resource {
    return this.resources.get(key, build);
  }

  /** The bytes of a key, encoded when they are not known. */
  part(kind: PartKind, key: string, encode: () => Uint8Array): Uint8Array {
    return this.parts[kind].get(key, encode);
  }
}

class Generations<T> {
  private current = new Map<string, T>();
  private previous = new Map<string, T>();

  next(): void {
    if (this.current.size === 0) return;
    this.previous = this.current;
    this.current = new Map();
  }

  get(key: string, build: () => T): T {
    const known = this.current.get(key) ?? this.previous.get(key) ?? build();
    this.current.set(key, known);
    return known;
  }
}
