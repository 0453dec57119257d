import { afterEach, describe, expect, it } from '@jest/globals';
import { EventStreamParser } from '#protocol';
import { PeerLinks } from './links.js';
import { defaultPacing } from './pacing.js';
import type { PeerLinkSettings } from './peer-link.js';

const settings: PeerLinkSettings = {
  endpoint: 'https://127.0.0.1:1/metadata',
  given: {},
  tls: {},
  document: 'federation',
};

describe('the links of one term', () => {
  const asked: string[] = [];
  const links = new PeerLinks((key) => ({
    token: (audience) => {
      asked.push(`${key} ${audience}`);
      return Promise.resolve(undefined);
    },
    eventParser: () => new EventStreamParser(1024),
    clock: { now: () => 0 },
    random: () => 0.5,
    pacing: defaultPacing,
    onHeard: () => undefined,
  }));

  afterEach(async () => {
    await links.stop();
    asked.length = 0;
  });

  it('ask in private as soon as the peer is trusted', () => {
    links.ensure('federation/b', settings);
    expect(asked).toEqual([]);
    links.authorise(new Map([['federation/b', 'uuid-b']]));
    expect(asked).toEqual(['federation/b uuid-b']);
  });

  it('do so too where trust came before the link, and where another link takes its place', () => {
    links.authorise(new Map([['federation/b', 'uuid-b']]));
    links.ensure('federation/b', settings);
    links.ensure('federation/c', settings);
    expect(asked).toEqual(['federation/b uuid-b']);
    links.ensure('federation/b', { ...settings, tls: { insecureSkipVerify: true } });
    expect(asked).toEqual(['federation/b uuid-b', 'federation/b uuid-b']);
  });
});
