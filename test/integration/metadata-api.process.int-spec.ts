import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { request } from 'undici';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { freePort, hookTimeoutMs, startChild, startTimeoutMs, waitFor } from '../harness/child.js';
import type { Child } from '../harness/child.js';
import { TestLeader } from '../harness/door.js';
import { temporaryDirectory } from '../harness/postgres.js';
import { writeServingCertificate } from '../harness/serving-certificate.js';

const program = resolve('dist/apps/metadata-api/src/main.js');
const node = resolve('node_modules/node/bin/node');

jest.setTimeout(startTimeoutMs);

/** The built program as users run it; needs `npm run build`. */
describe('process metadata-api', () => {
  const directory = temporaryDirectory();
  const storeDirectory = join(directory, 'store');
  const logFile = join(directory, 'door.log');
  let api: ApiServer;
  let child: Child | undefined;
  let httpPort: number;

  beforeAll(async () => {
    if (!existsSync(program)) throw new Error(`${program} is missing: npm run build`);
    api = await startApiServer();
    const leader = new TestLeader(api.client);
    await leader.prepare();
    await leader.trust([]);
    await leader.publish('{}', '1');
    await writeServingCertificate(join(directory, 'tls'));
    httpPort = await freePort();
  }, hookTimeoutMs);
  afterAll(async () => {
    await child?.stop();
    await api?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const start = (): Child =>
    startChild({
      command: node,
      args: [program],
      logFile,
      env: {
        PATH: process.env['PATH'],
        KUBECONFIG: api.kubeconfig,
        ISTHMUS_LISTEN_HOST: '127.0.0.1',
        ISTHMUS_HTTPS_PORT: '0',
        ISTHMUS_HTTP_PORT: String(httpPort),
        ISTHMUS_TLS_DIR: join(directory, 'tls'),
        ISTHMUS_STORE_DIR: storeDirectory,
        ISTHMUS_DRAIN_DELAY_MS: '100',
      },
    });
  const readiness = async (): Promise<string> => {
    const answer = await request(`http://127.0.0.1:${httpPort}/readyz`);
    return answer.body.text();
  };
  const withStore = (): Promise<true> =>
    waitFor('store', async () => ((await readiness()).includes('kept by the embedded store') ? true : undefined), {
      logFile,
      timeoutMs: startTimeoutMs,
    });
  const postmaster = (): number =>
    Number(readFileSync(join(storeDirectory, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0]);

  it('wires itself without contacting anybody with --check', async () => {
    const checked = promisify(execFile)(node, [program, '--check'], { env: { ISTHMUS_STORE_DIR: directory } });
    await expect(checked).resolves.toMatchObject({ stdout: '' });
  });

  it('names every fault of its configuration and exits with 1', async () => {
    const failed = promisify(execFile)(node, [program, '--check'], {
      env: { ISTHMUS_HTTP_PORT: 'x', LOG_LEVEL: 'loud' },
    });
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/ISTHMUS_HTTP_PORT[^]*LOG_LEVEL/),
    });
  });

  it('runs with its embedded PostgreSQL, and leaves nothing behind after kill -9', async () => {
    child = start();
    await withStore();
    const pid = postmaster();
    child.kill('SIGKILL');
    await waitFor('end of the postmaster', () => (existsSync(`/proc/${pid}`) ? undefined : true));
    child = start();
    await withStore();
    expect(postmaster()).not.toBe(pid);
  }, 240_000);

  it('drains and exits with 0 on SIGTERM', async () => {
    const pid = postmaster();
    await child?.stop(60_000);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    const log = readFileSync(logFile, 'utf8');
    expect(log).toContain('"msg":"shutting down"');
    expect(log).not.toContain('"level":"error"');
    writeFileSync(logFile, '');
  });
});
