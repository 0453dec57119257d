import { nothingHeard } from './hearing.js';
import type { Hearing } from './hearing.js';
import { PeerLink } from './peer-link.js';
import type { GivenEndpoint, PeerLinkPorts, PeerLinkSettings } from './peer-link.js';

/** The links of this term as leader, one per peer; a link whose settings changed is replaced by a new one. */
export class PeerLinks {
  readonly #portsFor: (key: string) => PeerLinkPorts;
  readonly #links = new Map<string, PeerLink>();
  #audiences: ReadonlyMap<string, string> = new Map();

  constructor(portsFor: (key: string) => PeerLinkPorts) {
    this.#portsFor = portsFor;
  }

  /** What the link heard; given an endpoint, nothing where it was heard of another, or verified otherwise. */
  hearing(key: string, of?: GivenEndpoint): Hearing {
    const link = this.#links.get(key);
    if (link === undefined || (of !== undefined && !isSameEndpoint(link.settings, of))) return nothingHeard;
    return link.hearing();
  }

  ensure(key: string, settings: PeerLinkSettings): void {
    const current = this.#links.get(key);
    if (current !== undefined && JSON.stringify(current.settings) === JSON.stringify(settings)) return;
    void current?.stop();
    const link = new PeerLink(settings, this.#portsFor(key));
    this.#links.set(key, link);
    link.start();
    // The pass that trusts the peer may have come first, or have been about the link before this one.
    link.authorise(this.#audiences.get(key));
  }

  /** Opens private channels for exactly these peers, now and in links to come; all others are closed. */
  authorise(audiences: ReadonlyMap<string, string>): void {
    this.#audiences = audiences;
    for (const [key, link] of this.#links) link.authorise(audiences.get(key));
  }

  async remove(key: string): Promise<void> {
    const link = this.#links.get(key);
    this.#links.delete(key);
    await link?.stop();
  }

  async stop(): Promise<void> {
    const all = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(all.map((link) => link.stop()));
  }
}

function isSameEndpoint(a: GivenEndpoint, b: GivenEndpoint): boolean {
  return a.endpoint === b.endpoint && JSON.stringify(a.given) === JSON.stringify(b.given);
}
