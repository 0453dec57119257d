import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { exclusively } from './lock.js';

const times = { retryMs: 5, beatMs: 20, deadAfterMs: 60_000 };

describe('exclusively', () => {
  let root: string;
  const lock = (): string => join(root, '.lock');
  const holder = (pid: number, place: string): void => {
    mkdirSync(lock());
    writeFileSync(join(lock(), 'holder.json'), JSON.stringify({ pid, place }));
  };
  const here = `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'lock-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('lets one work at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await sleep(10);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 5 }, () => exclusively(root, work, { times })));
    expect(most).toBe(1);
    expect(existsSync(lock())).toBe(false);
  });

  it('frees the lock when the work fails', async () => {
    await expect(exclusively(root, () => Promise.reject(new Error('no')), { times })).rejects.toThrow('no');
    expect(existsSync(lock())).toBe(false);
  });

  it('takes over from a process that is gone', async () => {
    const gone = spawnSync('true').pid;
    holder(gone, here);
    await expect(exclusively(root, () => Promise.resolve('mine'), { times })).resolves.toBe('mine');
  });

  it('does not judge a pid of another machine or container, only its heartbeat', async () => {
    const gone = spawnSync('true').pid;
    holder(gone, 'elsewhere pid:[1]');
    await expect(
      exclusively(root, () => Promise.resolve(), { times, signal: AbortSignal.timeout(100) }),
    ).rejects.toThrow();
    utimesSync(lock(), new Date(), new Date(Date.now() - 100_000));
    await expect(exclusively(root, () => Promise.resolve('mine'), { times })).resolves.toBe('mine');
  });

  it('waits for a living process', async () => {
    holder(process.pid, here);
    const waiting = exclusively(root, () => Promise.resolve('mine'), { times });
    await expect(Promise.race([waiting, sleep(50, 'still waiting')])).resolves.toBe('still waiting');
    rmSync(lock(), { recursive: true });
    await expect(waiting).resolves.toBe('mine');
  });
});
