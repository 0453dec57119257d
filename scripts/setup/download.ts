/** Official releases by version and checksum, where their hosts can be reached. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { Part, Release } from './catalogue.js';
import { runOrFail } from './command.js';

const probeMs = 1_500;
const downloadMs = 600_000;
const checksumListLimit = 1_000_000;

/** The hosts of these parts' releases that answer at all, asked together: a machine without internet costs one short wait. */
export async function reachableHosts(parts: readonly Part[]): Promise<ReadonlySet<string>> {
  const hosts = new Set(parts.flatMap((part) => (part.release === undefined ? [] : [new URL(part.release.url).host])));
  const reached = await Promise.all([...hosts].map(async (host) => ((await answersAtAll(host)) ? [host] : [])));
  return new Set(reached.flat());
}

async function answersAtAll(host: string): Promise<boolean> {
  try {
    const options: RequestInit = { method: 'HEAD', redirect: 'manual', signal: AbortSignal.timeout(probeMs) };
    return (await fetch(`https://${host}/`, options)).status < 500;
  } catch {
    return false;
  }
}

/** `{arch}` and `{cpu}` filled in.
 *  @throws Error for a processor that vendors publish nothing for */
export function forArchitecture(template: string, architecture: string): string {
  const known: Readonly<Record<string, readonly [string, string]>> = {
    x64: ['amd64', 'x86_64'],
    arm64: ['arm64', 'aarch64'],
  };
  const names = known[architecture];
  if (names === undefined) throw new Error(`no releases for processor "${architecture}" (known: x64, arm64)`);
  return template.replaceAll('{arch}', names[0]).replaceAll('{cpu}', names[1]);
}

/** The digest of one file in a vendor's list: lines `<sha256>  [*]<path>`, or a lone digest; signed lists have more around them. */
export function checksumIn(list: string, fileName: string): string | undefined {
  const lines = list.split('\n').map((line) => line.trim());
  const entries = lines.flatMap((line) => {
    const match = /^([0-9a-f]{64})(?:\s+\*?(\S+))?$/i.exec(line);
    return match?.[1] === undefined ? [] : [{ digest: match[1].toLowerCase(), name: match[2] }];
  });
  const named = entries.find(({ name }) => name !== undefined && basename(name) === fileName);
  const lone = entries.length === 1 && entries[0]?.name === undefined ? entries[0] : undefined;
  return (named ?? lone)?.digest;
}

/** Downloads, verifies and unpacks; returns the file, executable, inside `folder`.
 *  @throws Error with the address when anything is not as it should be; nothing unverified is unpacked */
export async function download(release: Release, folder: string, signal?: AbortSignal | undefined): Promise<string> {
  const url = forArchitecture(release.url, process.arch);
  const fileName = basename(new URL(url).pathname);
  await mkdir(folder, { recursive: true });
  const wanted = await expectedDigest(release, fileName, signal);
  const file = join(folder, fileName);
  const digest = await save(url, file, signal);
  if (digest !== wanted) throw new Error(`${url}: sha256 is ${digest}, expected ${wanted}`);
  const result = release.member === undefined ? file : await unpack(release.member, file, folder);
  await chmod(result, 0o755);
  return result;
}

async function expectedDigest(release: Release, fileName: string, signal?: AbortSignal | undefined): Promise<string> {
  if ('sha256' in release.checksum) return release.checksum.sha256;
  const url = forArchitecture(release.checksum.url, process.arch);
  const list = await (await get(url, signal)).text();
  const digest = checksumIn(list.slice(0, checksumListLimit), fileName);
  if (digest === undefined) throw new Error(`${url} lists no sha256 for ${fileName}`);
  return digest;
}

async function get(url: string, signal?: AbortSignal | undefined): Promise<Response> {
  const limit = AbortSignal.timeout(downloadMs);
  const response = await fetch(url, { signal: signal === undefined ? limit : AbortSignal.any([signal, limit]) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response;
}

async function save(url: string, file: string, signal?: AbortSignal | undefined): Promise<string> {
  const { body } = await get(url, signal);
  if (body === null) throw new Error(`${url} answered without a body`);
  const hash = createHash('sha256');
  const digesting = new Transform({
    transform(chunk: Buffer, _encoding, done): void {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(Readable.fromWeb(body as ReadableStream), digesting, createWriteStream(file));
  return hash.digest('hex');
}

async function unpack(template: string, archive: string, folder: string): Promise<string> {
  const member = forArchitecture(template, process.arch);
  await runOrFail('tar', ['-xzf', archive, '-C', folder, member]);
  return join(folder, member);
}
