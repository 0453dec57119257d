// Entry of every npm script: brings a bare clone to a built tree (dependencies, generated code, dist), then hands over to the
// program named in the arguments under the Node 24 that the lockfile pins. A first argument `--installed` or `--generated` stops
// short of what the program does not need. Runs on any Node >= 18; uses nothing but node:*.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const node24 = join(root, 'node_modules/node/bin/node');
const stampFile = join(root, 'node_modules/.isthmus-lock');
const lockDirectory = join(root, '.launch.lock');

function say(text) {
  process.stderr.write(`isthmus: ${text}\n`);
}

/** Runs one preparation step; its output is shown only when it fails, a line of progress every five seconds while it works. */
function step(title, command, args) {
  const started = Date.now();
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    const timer = setInterval(() => say(`${title} … ${Math.round((Date.now() - started) / 1000)} s`), 5000);
    child.on('error', fail);
    child.on('close', (code) => {
      clearInterval(timer);
      if (code === 0) {
        say(`${title}: done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
        done();
        return;
      }
      process.stderr.write(Buffer.concat(chunks));
      fail(new Error(`${title} failed with exit code ${code}: ${command} ${args.join(' ')}`));
    });
  });
}

/** Two launches at once take turns: a folder is the lock, the holder's pid in it tells a dead lock from a live one. */
async function exclusively(work) {
  for (;;) {
    try {
      mkdirSync(lockDirectory);
      writeFileSync(join(lockDirectory, 'pid'), String(process.pid));
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (lockIsDead()) rmSync(lockDirectory, { recursive: true, force: true });
      await new Promise((done) => setTimeout(done, 200));
    }
  }
  try {
    await work();
  } finally {
    rmSync(lockDirectory, { recursive: true, force: true });
  }
}

function lockIsDead() {
  try {
    process.kill(Number(readFileSync(join(lockDirectory, 'pid'), 'utf8')), 0);
    return false;
  } catch (error) {
    if (error.code === 'ESRCH') return true;
    // The holder may stand between mkdir and write: only an old lock without a pid is dead.
    return existsSync(lockDirectory) && Date.now() - statSync(lockDirectory).mtimeMs > 10_000;
  }
}

function installed() {
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return { fresh: existsSync(stampFile) && readFileSync(stampFile, 'utf8') === digest && existsSync(node24), digest };
}

async function prepare(need) {
  const { fresh, digest } = installed();
  if (!fresh) {
    say('installing the pinned dependencies (npm ci)');
    await step('npm ci', 'npm', ['ci', '--no-audit', '--no-fund']);
    writeFileSync(stampFile, digest);
  }
  if (need === '--installed') return;
  if (!existsSync(join(root, 'libs/proto/gen/.stamp')) || protoListChanged()) {
    await step('generating protobuf code', node24, ['scripts/gen-proto.mjs']);
  }
  if (need === '--generated') return;
  const compiler = join(root, 'node_modules/ts7/bin/tsc');
  await step('compiling TypeScript', node24, [compiler, '-p', 'tsconfig.build.json']);
}

function protoListChanged() {
  const stamp = statSync(join(root, 'libs/proto/gen/.stamp')).mtimeMs;
  return ['libs/proto/protos.json', 'scripts/gen-proto.mjs', 'package-lock.json'].some(
    (file) => existsSync(join(root, file)) && statSync(join(root, file)).mtimeMs > stamp,
  );
}

async function main() {
  // Before all else: npm may end while the tree is being built.
  const parent = process.ppid;
  const given = process.argv.slice(2);
  const need = ['--installed', '--generated'].includes(given[0]) ? given.shift() : '--built';
  const [program, ...args] = given;
  if (process.platform !== 'linux')
    throw new Error(`Linux is needed (this is ${process.platform}): the lab runs on Linux namespaces`);
  if (process.env.ISTHMUS_SKIP_BUILD !== '1') await exclusively(() => prepare(need));
  if (program === undefined || program === '--build-only') return 0;
  const path = `${join(root, 'node_modules/node/bin')}:${join(root, 'node_modules/.bin')}:${process.env.PATH}`;
  // Tools that compile by themselves map their stacks by themselves.
  const flags = program.startsWith('dist/') ? ['--enable-source-maps'] : [];
  const child = spawn(node24, [...flags, program, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: path, ISTHMUS_SKIP_BUILD: '1' },
  });
  // The terminal already sends ^C to the whole group; a signal sent to this pid alone is passed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // npm ended by SIGKILL leaves its children behind, untold: they notice that they have another parent. Told once: a second signal ends
  // many a program in the midst of its end.
  const orphaned = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(orphaned);
    child.kill('SIGTERM');
  }, 1000).unref();
  if (process.env.npm_lifecycle_event === undefined) clearInterval(orphaned);
  return new Promise((done) => child.on('close', (code, signal) => done(signal ? 128 + 15 : code)));
}

main().then(
  (code) => process.exit(code ?? 0),
  (error) => {
    say(error.message);
    process.exit(1);
  },
);
