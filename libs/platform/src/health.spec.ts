import { describe, expect, it } from '@jest/globals';
import { Health } from './health.js';
import { startHealthServer } from './health.module.js';
import { createLogger } from './logger.js';
import { createRegistry } from './metrics.js';
import { Shutdown } from './shutdown.js';

const logger = createLogger({ app: 'spec', level: 'silent' });

describe('Health', () => {
  it('is ready when every needed part is; a mentioned part is only told', () => {
    const health = new Health();
    health.need('trust', () => ({ ok: true }));
    health.mention('store', () => ({ ok: false, detail: 'unreachable' }));
    expect(health.readiness()).toEqual({
      ready: true,
      draining: false,
      parts: [
        { name: 'trust', needed: true, ok: true },
        { name: 'store', needed: false, ok: false, detail: 'unreachable' },
      ],
    });
    health.need('broken', () => {
      throw new Error('why');
    });
    expect(health.readiness()).toMatchObject({ ready: false });
  });

  it('is never ready again once drained', () => {
    const health = new Health();
    health.drain();
    expect(health.readiness().ready).toBe(false);
  });
});

describe('health server', () => {
  it('serves liveness, readiness with reasons, and metrics', async () => {
    const health = new Health();
    const server = await startHealthServer({
      health,
      registry: createRegistry('spec'),
      port: 0,
      host: '127.0.0.1',
      logger,
    });
    const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${server.port}${path}`);
    try {
      expect((await get('/healthz')).status).toBe(200);
      expect((await get('/readyz')).status).toBe(200);
      health.need('trust', () => ({ ok: false, detail: 'Secret isthmus-trust was not read yet' }));
      const refused = await get('/readyz');
      expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining('isthmus-trust')]);
      expect(await (await get('/metrics')).text()).toContain('isthmus_process_cpu_seconds_total');
      expect((await get('/nothing')).status).toBe(404);
    } finally {
      await server.close();
    }
  });
});

describe('Shutdown', () => {
  it('aborts first, runs every step in order, and exits once', async () => {
    const seen: unknown[] = [];
    const shutdown = new Shutdown({ logger, exit: (code) => seen.push(code) });
    shutdown.add('first', () => void seen.push(shutdown.signal.aborted));
    shutdown.add('failing', () => Promise.reject(new Error('no')));
    shutdown.add('last', () => void seen.push('last'));
    await Promise.all([shutdown.begin('spec'), shutdown.begin('again')]);
    expect(seen).toEqual([true, 'last', 0]);
  });

  it('does not wait for ever', async () => {
    const exited = new Promise((resolve) => {
      const shutdown = new Shutdown({ logger, deadlineMs: 20, exit: resolve });
      shutdown.add('stuck', () => new Promise(() => undefined));
      void shutdown.begin('spec');
    });
    expect(await exited).toBe(1);
  });
});

describe('logger', () => {
  it('writes JSON lines and hides what is secret', () => {
    const lines: string[] = [];
    const log = createLogger({
      app: 'spec',
      bindings: { cluster: 'a' },
      destination: { write: (line) => void lines.push(line) },
    });
    log.info({ token: 'hunter2', headers: { authorization: 'Bearer hunter2' } }, 'said');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      app: 'spec',
      cluster: 'a',
      msg: 'said',
      token: '***',
    });
    expect(lines.join()).not.toContain('hunter2');
  });
});
