import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { silentLogger } from '#kube';
import { openStore, StoreUnavailableError } from '#store';
import type { AuditRow, DocumentRow, Store } from '#store';
import { binariesFor, postgresBinaries } from '../../libs/store/src/embedded/binaries.js';
import { accountForPostgres } from '../../libs/store/src/embedded/run-as.js';
import { waitFor } from '../harness/child.js';
import { leastOf } from '../harness/rounds.js';
import { startPostgres, temporaryDirectory } from '../harness/postgres.js';
import type { PostgresServer } from '../harness/postgres.js';

/** A database that is set up, or recovers, on a machine that is busy with others. */
const patience = { timeoutMs: 90_000 };

jest.setTimeout(120_000);

const row = (action: string, peer = 'federation/b'): AuditRow => ({
  at: new Date(),
  peer,
  peerUUID: 'u-b',
  action,
  status: 200,
  sourceAddress: '10.0.0.1',
});
const soon = (): number => Math.floor(Date.now() / 1000) + 60;
const document = (digest: string, peer = 'federation/b'): DocumentRow => ({
  at: new Date(),
  peer,
  kind: 'federation',
  seq: '1763600000000',
  digest,
  body: `{"digest":"${digest}"}`,
});

/** The same promises hold for both ways to get a database. */
describe.each(['embedded PostgreSQL', 'DATABASE_URL'])('store on %s', (way) => {
  let server: PostgresServer | undefined;
  let store: Store;
  const directory = temporaryDirectory();

  beforeAll(async () => {
    if (way === 'DATABASE_URL') server = startPostgres();
    store = openStore({ databaseUrl: server?.url, dataDirectory: directory, logger: silentLogger });
    expect(store.available()).toBe(false);
    await store.ready;
  });
  afterAll(async () => {
    await store?.close();
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('writes audit rows in batches, NUL and long text included', async () => {
    store.audit.append([row('GET /a'), row(`GET /${'x'.repeat(5_000)}\0`), row('GET /c', 'federation/c')]);
    expect(store.stats().auditWaiting).toBe(3);
    await store.audit.flush();
    const rows = await store.audit.list({ peer: 'federation/b' });
    expect(rows.map((found) => found.action.slice(0, 6))).toEqual(['GET /x', 'GET /a']);
    expect(rows[1]).toMatchObject({ peer: 'federation/b', peerUUID: 'u-b', status: 200, sourceAddress: '10.0.0.1' });
    expect(await store.audit.list({ since: new Date(Date.now() + 60_000) })).toEqual([]);
    expect(store.stats()).toMatchObject({ auditWaiting: 0, auditWritten: 3, auditDropped: 0 });
  });

  it('loses of a batch only the rows that the database refuses, and tells each', async () => {
    const told: object[] = [];
    const error = (fields: object): void => void told.push(fields);
    const other = openStore({ databaseUrl: store.url, dataDirectory: directory, logger: { ...silentLogger, error } });
    await other.ready;
    const rows = Array.from({ length: 700 }, (_, i) => row(`GET /batch/${i}`, 'federation/batch'));
    rows[3] = { ...row('GET /too-large', 'federation/batch'), status: 2 ** 40 };
    rows[600] = { ...row('GET /no-time', 'federation/batch'), at: new Date(Number.NaN) };
    other.audit.append(rows);
    await expect(other.audit.flush()).rejects.toThrow();
    expect(other.stats()).toMatchObject({ auditWaiting: 0, auditWritten: 698, auditDropped: 2 });
    const kept = await other.audit.list({ peer: 'federation/batch', limit: 1_000 });
    const good = rows.filter((_, i) => i !== 3 && i !== 600);
    expect(kept.map(({ action }) => action)).toEqual(good.map(({ action }) => action).reverse());
    expect(told).toMatchObject([
      { peer: 'federation/batch', status: 2 ** 40, reason: expect.stringContaining('out of range') },
      { peer: 'federation/batch', status: 200, reason: expect.stringContaining('invalid') },
    ]);
    expect(other.available()).toBe(true);
    await other.close();
  });

  describe('of many rows that the database refuses', () => {
    const told: object[] = [];
    let admin: Client;
    let other: Store;

    beforeAll(async () => {
      admin = new Client({ connectionString: store.url });
      await admin.connect();
      await admin.query('CREATE ROLE door LOGIN; GRANT ALL ON SCHEMA public TO door');
      for (const kind of ['TABLES', 'SEQUENCES'])
        await admin.query(`GRANT ALL ON ALL ${kind} IN SCHEMA public TO door`);
      const databaseUrl = store.url.replace(/\/\/[^@]+@/, '//door@');
      const error = (fields: object): void => void told.push(fields);
      other = openStore({ databaseUrl, dataDirectory: directory, logger: { ...silentLogger, error } });
      await other.ready;
    });
    beforeEach(() => void told.splice(0));
    afterAll(async () => {
      await other?.close();
      await admin?.end();
    });

    it('tells the number, a line a batch, where none would be taken: without the right to INSERT', async () => {
      const { auditWritten, auditDropped } = other.stats();
      await admin.query('REVOKE INSERT ON audit FROM door');
      other.audit.append(Array.from({ length: 700 }, (_, i) => row(`GET /right/${i}`)));
      await expect(other.audit.flush()).rejects.toThrow();
      const reason = expect.stringContaining('permission denied');
      expect(told).toEqual([
        { rows: 500, reason },
        { rows: 200, reason },
      ]);
      await admin.query('GRANT INSERT ON audit TO door');
      other.audit.append([row('GET /right/again')]);
      await other.audit.flush();
      expect(other.stats()).toMatchObject({ auditWritten: auditWritten + 1, auditDropped: auditDropped + 700 });
    });

    it('tells three and the number of the others where each is refused for itself, and loses no good one', async () => {
      await admin.query(`ALTER TABLE audit ADD CONSTRAINT refused CHECK (peer <> 'federation/refused') NOT VALID`);
      const bad = Array.from({ length: 40 }, (_, i) => row(`GET /refused/${i}`, 'federation/refused'));
      other.audit.append([...bad, row('GET /good', 'federation/good')]);
      await expect(other.audit.flush()).rejects.toThrow();
      await admin.query('ALTER TABLE audit DROP CONSTRAINT refused');
      const reason = expect.stringContaining('refused');
      const single = expect.objectContaining({ peer: 'federation/refused', reason });
      expect(told).toEqual([single, single, single, { rows: 37, reason }]);
      expect(await other.audit.list({ peer: 'federation/good' })).toMatchObject([{ action: 'GET /good' }]);
    });
  });

  it('accepts a token id once, whoever asks at the same time', async () => {
    let tries = 0;
    // Five connections, for each of which two seconds are waited: who gets none has not asked.
    const { id, answers } = await waitFor('fifty answers', async () => {
      const id = `jti-${(tries += 1)}`;
      const asked = Array.from({ length: 50 }, () => store.replay.accept('u-b', id, soon()));
      return { id, answers: await Promise.all(asked) };
    });
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await store.replay.accept('u-c', id, soon())).toBe(true);
    expect(await store.replay.accept("u'; DROP TABLE used_token; --", id, soon())).toBe(true);
  });

  it('keeps a document when its content changed', async () => {
    expect(await store.documents.record(document('one'))).toBe(true);
    expect(await store.documents.record(document('one'))).toBe(false);
    expect(await store.documents.record(document('two'))).toBe(true);
    expect(await store.documents.record(document('one'))).toBe(true);
    expect(await store.documents.record(document('one', 'federation/c'))).toBe(true);
    const kept = await store.documents.list('federation/b', 'federation');
    expect(kept.map(({ digest, seq }) => [digest, seq])).toEqual(
      ['one', 'two', 'one'].map((d) => [d, '1763600000000']),
    );
  });

  it('serves several replicas: one migrates, all share the used tokens', async () => {
    const others = [1, 2, 3].map(() =>
      openStore({ databaseUrl: store.url, dataDirectory: directory, logger: silentLogger }),
    );
    await Promise.all(others.map((other) => other.ready));
    const answers = await Promise.all(others.map((other) => other.replay.accept('u-b', 'jti-shared', soon())));
    expect(answers.filter(Boolean)).toHaveLength(1);
    await Promise.all(others.map((other) => other.close()));
  });

  it('survives kill -9 of the postmaster: nothing acknowledged is lost, and it finds back', async () => {
    const pid = (server ?? store).pid();
    for (let i = 0; i < 50; i += 1) expect(await store.replay.accept('killed', `j${i}`, soon())).toBe(true);
    process.kill(pid ?? 0, 'SIGKILL');
    await waitFor('loss', async () => {
      const lost = await store.replay.accept('probe', String(Math.random()), soon()).catch((error: unknown) => error);
      return lost instanceof StoreUnavailableError ? true : undefined;
    });
    store.audit.append([row('GET /while-away')]);
    await waitFor('return', () => (store.available() ? true : undefined), patience);
    for (let i = 0; i < 50; i += 1) expect(await store.replay.accept('killed', `j${i}`, soon())).toBe(false);
    await waitFor('audit', async () => (await store.audit.list()).find((found) => found.action === 'GET /while-away'));
  });
});

describe('a store whose database is not there', () => {
  it('says so at once, keeps a bounded number of audit rows, and writes them when it comes', async () => {
    const directory = temporaryDirectory();
    const place = startPostgres(directory);
    const url = place.url;
    await place.stop();
    const store = openStore({ databaseUrl: url, dataDirectory: directory, logger: silentLogger });
    store.audit.append(Array.from({ length: 21_000 }, (_, i) => row(`GET /${i}`)));
    expect(store.stats()).toMatchObject({ auditWaiting: 20_000, auditDropped: 1_000 });
    const refusing = async (): Promise<number> => {
      const started = performance.now();
      await expect(store.replay.accept('a', 'b', soon())).rejects.toThrow(StoreUnavailableError);
      return performance.now() - started;
    };
    expect(await leastOf(3, 50, refusing)).toBeLessThan(50);
    await waitFor('reason', () => (store.stats().failures > 0 ? true : undefined));
    expect(store.available()).toBe(false);
    expect(store.reason()).toMatch(/ENOENT|ECONNREFUSED/);
    const again = startPostgres(directory);
    await store.ready;
    await waitFor('audit', () => (store.stats().auditWritten === 20_000 ? true : undefined), patience);
    await store.close();
    await again.stop();
    rmSync(directory, { recursive: true, force: true });
  }, 180_000);
});

describe('embedded PostgreSQL and the death of its parent', () => {
  const directory = temporaryDirectory();
  let orphan: ReturnType<typeof spawn> | undefined;
  afterEach(() => void orphan?.kill('SIGKILL'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('ends with us, even by kill -9', async () => {
    const first = startPostgres(directory);
    const store = openStore({ databaseUrl: first.url, dataDirectory: directory, logger: silentLogger });
    await store.ready;
    await store.close();
    await first.stop();
    const account = accountForPostgres();
    const { postgres } = binariesFor(await postgresBinaries(), account !== undefined);
    const data = join(directory, 'postgres');
    const child = spawn(
      'sh',
      ['-c', `setpriv --pdeathsig QUIT ${postgres} -D ${data} -k ${directory}/socket -c listen_addresses= & wait`],
      { stdio: 'ignore', ...account },
    );
    const pid = await waitFor('postmaster', () => postmasterPid(data));
    child.kill('SIGKILL');
    await waitFor('end', () => (existsSync(`/proc/${pid}`) ? undefined : true));
  });

  it('ends the orphan of a killed predecessor, and finds its data', async () => {
    const account = accountForPostgres();
    const { postgres } = binariesFor(await postgresBinaries(), account !== undefined);
    const data = join(directory, 'postgres');
    const args = ['-D', data, '-k', join(directory, 'socket'), '-c', 'listen_addresses='];
    orphan = spawn(postgres, args, { stdio: 'ignore', ...account });
    await waitFor('orphan', () => (postmasterPid(data) === orphan?.pid ? true : undefined));
    const store = openStore({ dataDirectory: directory, logger: silentLogger });
    await store.ready;
    expect(store.pid()).not.toBe(orphan.pid);
    expect(existsSync(`/proc/${orphan.pid}/cwd`)).toBe(false);
    await store.close();
    expect(postmasterPid(data)).toBeUndefined();
  });
});

function postmasterPid(data: string): number | undefined {
  try {
    return Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  } catch {
    return undefined;
  }
}
