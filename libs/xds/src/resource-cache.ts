import type { Resource } from '#proto';

/**
 * Encoded resources, and encoded parts of large ones, by the text of all they depend on. What was not asked for during a whole
 * generation is forgotten with the next, so the cache holds about what two successive models need.
 */
export class ResourceCache {
  private readonly resources = new Generations<Resource>();
  private readonly parts = new Generations<Uint8Array>();

  /** Starts a generation; call it once per new model. */
  nextGeneration(): void {
    this.resources.next();
    this.parts.next();
  }

  /** The resource of a key, built when it is not known. */
  resource(key: string, build: () => Resource): Resource {
    return this.resources.get(key, build);
  }

  /** The bytes of a key, encoded when they are not known. */
  part(key: string, encode: () => Uint8Array): Uint8Array {
    return this.parts.get(key, encode);
  }
}

class Generations<T> {
  private current = new Map<string, T>();
  private previous = new Map<string, T>();

  next(): void {
    this.previous = this.current;
    this.current = new Map();
  }

  get(key: string, build: () => T): T {
    const known = this.current.get(key) ?? this.previous.get(key) ?? build();
    this.current.set(key, known);
    return known;
  }
}
