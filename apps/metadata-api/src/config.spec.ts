import { describe, expect, it } from '@jest/globals';
import { loadConfig } from './config.js';

describe('loadConfig', () => {
  it('has a default for everything', () => {
    expect(loadConfig({})).toMatchObject({
      namespace: 'isthmus-system',
      peersNamespace: 'isthmus-peers',
      httpsPort: 8443,
      httpPort: 8080,
      databaseUrl: undefined,
      streamLifeMs: 600_000,
    });
    expect(Object.isFrozen(loadConfig({}))).toBe(true);
  });

  it('lists every fault, and shows no secret', () => {
    const read = (): unknown =>
      loadConfig({ ISTHMUS_HTTPS_PORT: 'x', LOG_LEVEL: 'loud', ISTHMUS_STREAM_LIFE_MS: '600001' });
    expect(read).toThrow(/3 fault\(s\)[^]*ISTHMUS_HTTPS_PORT[^]*ISTHMUS_STREAM_LIFE_MS[^]*LOG_LEVEL/);
    expect(JSON.stringify(loadConfig({ DATABASE_URL: 'postgres://u:hunter2@h/d' }))).not.toContain('hunter2');
  });
});
