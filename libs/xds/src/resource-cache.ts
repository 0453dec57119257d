import type { Resource } from '#proto';

/**
 * Encoded resources by the text of all they depend on. What was not asked for during a whole generation is forgotten with the
 * next, so the cache holds about what two successive models need.
 */
export class ResourceCache {
  private current = new Map<string, Resource>();
  private previous = new Map<string, Resource>();

  /** Starts a generation; call it once per new model. */
  nextGeneration(): void {
    this.previous = this.current;
    this.current = new Map();
  }

  /** The resource of a key, built when it is not known. */
  resource(key: string, build: () => Resource): Resource {
    const known = this.current.get(key) ?? this.previous.get(key) ?? build();
    this.current.set(key, known);
    return known;
  }
}
