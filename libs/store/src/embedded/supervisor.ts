import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StoreLogger } from '../store.js';
import { binariesFor, closedFolderAbove, postgresBinaries } from './binaries.js';
import type { PostgresBinaries } from './binaries.js';
import { clearOrphan } from './postmaster-pid.js';
import { accountForPostgres, initdbCommand } from './run-as.js';
import type { Account } from './run-as.js';

const superuser = 'isthmus';
const firstRestartMs = 100;
const restartCapMs = 5_000;
/** sun_path holds 108 bytes; PostgreSQL appends its file name. */
const longestSocketFolder = 80;

/** Small and private: history and audit of one process. */
const settings = [
  'listen_addresses=',
  'unix_socket_permissions=0700',
  'max_connections=20',
  'shared_buffers=16MB',
  'dynamic_shared_memory_type=mmap',
  'wal_level=minimal',
  'max_wal_senders=0',
  'max_wal_size=128MB',
  'max_parallel_workers=0',
  'jit=off',
  'password_encryption=scram-sha-256',
];

/** An embedded PostgreSQL that is kept alive as long as we are: restarted when it ends, ended when we end, even by kill -9. */
export class EmbeddedPostgres {
  /** Connection URL over the unix socket. */
  readonly url: string;
  readonly #data: string;
  readonly #sockets: string;
  readonly #account: Account | undefined;
  readonly #logger: StoreLogger;
  #binaries: PostgresBinaries | undefined;
  #child: ChildProcess | undefined;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();
  readonly #wake = new AbortController();

  constructor(directory: string, logger: StoreLogger) {
    mkdirSync(directory, { recursive: true });
    const real = realpathSync(directory);
    this.#data = join(real, 'postgres');
    this.#sockets = socketFolder(real);
    this.#account = accountForPostgres();
    this.#logger = logger;
    this.url = `postgres://${superuser}@localhost/postgres?host=${encodeURIComponent(this.#sockets)}`;
  }

  /** Pid of the postmaster, undefined between two lives. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts supervision and returns at once; connect to `url` until it answers. */
  start(): void {
    this.#running = this.#supervise().catch((error: unknown) => {
      this.#logger.error({ err: error }, 'embedded PostgreSQL is not to be had');
    });
  }

  /** Fast shutdown; resolves when the postmaster is gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake.abort();
    this.#child?.kill('SIGINT');
    const hard = setTimeout(() => this.#child?.kill('SIGQUIT'), 5_000);
    await this.#running;
    clearTimeout(hard);
  }

  async #supervise(): Promise<void> {
    this.#binaries = binariesFor(await postgresBinaries(), this.#account !== undefined);
    for (let delay = firstRestartMs; !this.#stopping; delay = Math.min(delay * 2, restartCapMs)) {
      const started = Date.now();
      try {
        await this.#live();
      } catch (error) {
        this.#logger.error({ err: error }, 'embedded PostgreSQL could not be started');
      }
      if (Date.now() - started > 60_000) delay = firstRestartMs;
      if (!this.#stopping) await sleep(delay, undefined, { signal: this.#wake.signal }).catch(() => undefined);
    }
  }

  /** One life of the postmaster, from making the data directory if need be to its end. */
  async #live(): Promise<void> {
    // The account must be able to walk through our folder, though not to read it.
    if (this.#account !== undefined) {
      chmodSync(dirname(this.#data), 0o711);
      const closed = closedFolderAbove(this.#data);
      if (closed !== undefined) {
        throw new Error(
          `user nobody, as whom PostgreSQL runs, cannot enter ${closed}: chmod o+x it, or use another folder`,
        );
      }
    }
    this.#own(this.#sockets);
    if (existsSync(this.#data)) {
      const found = await clearOrphan(this.#data);
      if (found === 'stopped')
        this.#logger.warn({ data: this.#data }, 'ended the PostgreSQL that a killed process left');
    } else {
      await this.#initialise();
    }
    if (this.#stopping) return;
    const args = ['-D', this.#data, '-k', this.#sockets, ...settings.flatMap((setting) => ['-c', setting])];
    const { code, signal, tail } = await this.#run(this.#programs.postgres, args);
    if (!this.#stopping) this.#logger.warn({ code, signal, tail }, 'embedded PostgreSQL ended; it is started again');
  }

  get #programs(): PostgresBinaries {
    if (this.#binaries === undefined) throw new Error('embedded PostgreSQL: binaries were not located yet');
    return this.#binaries;
  }

  /** initdb beside the final place, then a rename: a kill in between leaves nothing half made. */
  async #initialise(): Promise<void> {
    const staged = `${this.#data}.new`;
    rmSync(staged, { recursive: true, force: true });
    this.#own(staged);
    const args = ['-D', staged, '-U', superuser, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions'];
    const [command, commandArgs] = initdbCommand(this.#programs.initdb, args);
    const { code, tail } = await this.#run(command, commandArgs);
    if (code !== 0) throw new Error(`initdb failed with exit code ${code}: ${tail}`);
    renameSync(staged, this.#data);
  }

  /** Makes a folder that only the account of PostgreSQL may enter. */
  #own(folder: string): void {
    mkdirSync(folder, { recursive: true });
    if (this.#account !== undefined) chownSync(folder, this.#account.uid, this.#account.gid);
    chmodSync(folder, 0o700);
  }

  #run(command: string, args: readonly string[]): Promise<Ending> {
    // The kernel ends the child with SIGQUIT (immediate shutdown) should we be killed.
    const tied = hasSetpriv ? ['setpriv', '--pdeathsig', 'QUIT', command] : [command];
    const [program = command, ...before] = tied;
    const child = spawn(program, [...before, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: '/',
      env: { PATH: process.env['PATH'], LANG: 'C', TZ: 'UTC' },
      ...this.#account,
    });
    this.#child = child;
    let tail = '';
    const note = (chunk: Buffer): void => {
      tail = (tail + chunk.toString()).slice(-2_000);
      this.#logger.debug({ from: 'postgres' }, chunk.toString().trimEnd());
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        this.#child = undefined;
        resolve({ code, signal, tail: tail.trim() });
      });
    });
  }
}

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly tail: string;
}

const hasSetpriv = ['/usr/bin/setpriv', '/bin/setpriv'].some((path) => existsSync(path));

function socketFolder(directory: string): string {
  const beside = join(directory, 'socket');
  return beside.length <= longestSocketFolder ? beside : mkdtempSync(join(tmpdir(), 'isthmus-pg-'));
}
