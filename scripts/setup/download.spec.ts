import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { partNamed } from './catalogue.js';
import { checksumIn, download, forArchitecture, reachableHosts } from './download.js';

const [a, b] = ['a'.repeat(64), 'B'.repeat(64)];

describe('checksumIn', () => {
  it.each([
    ['a lone digest', `${a}\n`, a],
    ['one named line', `${a}  tool.tgz\n`, a],
    ['binary mode and a folder', `${a} *./dist/tool.tgz\n`, a],
    ['the right one of several', `${a}  other.tgz\n${b}  tool.tgz\n`, b.toLowerCase()],
    ['a signed list', `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${a}  tool.tgz\n-----BEGIN PGP`, a],
    ['a list without it', `${a}  other.tgz\n`, undefined],
    ['a name that only ends alike', `${a}  my-tool.tgz\n`, undefined],
    ['several lone digests', `${a}\n${b}\n`, undefined],
    ['an error page', '<html>not found</html>', undefined],
  ])('reads %s', (_, list, expected) => {
    expect(checksumIn(list, 'tool.tgz')).toBe(expected);
  });
});

it.each([
  ['x64', 'amd64-x86_64'],
  ['arm64', 'arm64-aarch64'],
])('names of %s', (architecture, expected) => {
  expect(forArchitecture('{arch}-{cpu}', architecture)).toBe(expected);
});

it('refuses a processor that vendors publish nothing for', () => {
  expect(() => forArchitecture('{arch}', 'mips')).toThrow('no releases for processor "mips"');
});

describe('download, from a server on this machine', () => {
  const files = new Map<string, Buffer>();
  const sha256 = (name: string): string =>
    createHash('sha256')
      .update(files.get(name) ?? '')
      .digest('hex');
  let server: Server;
  let folder: string;
  let base: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'download-'));
    writeFileSync(join(folder, 'program'), 'the program');
    execFileSync('tar', ['-czf', join(folder, 'a.tgz'), '-C', folder, 'program']);
    files.set('/program', Buffer.from('the program'));
    files.set('/a.tgz', readFileSync(join(folder, 'a.tgz')));
    files.set('/good.sha256', Buffer.from(`${sha256('/a.tgz')}  a.tgz\n`));
    files.set('/bad.sha256', Buffer.from(`${a}  a.tgz\n`));
    server = createServer((request, response) => {
      const content = files.get(String(request.url));
      response.writeHead(content === undefined ? 404 : 200).end(content);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  it('verifies against a pinned digest and makes the file executable', async () => {
    const release = { url: `${base}/program`, checksum: { sha256: sha256('/program') } };
    const file = await download(release, join(folder, '1'));
    expect(readFileSync(file, 'utf8')).toBe('the program');
    expect(statSync(file).mode & 0o777).toBe(0o755);
  });

  it('verifies against a published list and unpacks', async () => {
    const release = { url: `${base}/a.tgz`, checksum: { url: `${base}/good.sha256` }, member: 'program' };
    expect(readFileSync(await download(release, join(folder, '2')), 'utf8')).toBe('the program');
  });

  it.each([
    ['a wrong digest', '/a.tgz', '/bad.sha256', /sha256 is [0-9a-f]{64}, expected a{64}/],
    ['no digest', '/a.tgz', '/program', /lists no sha256 for a.tgz/],
    ['an absent list', '/a.tgz', '/absent', /answered 404/],
    ['an absent file', '/absent.tgz', '/good.sha256', /lists no sha256 for absent.tgz/],
  ])('refuses %s', async (_, file, list, fault) => {
    const release = { url: `${base}${file}`, checksum: { url: `${base}${list}` }, member: 'program' };
    await expect(download(release, join(folder, '3'))).rejects.toThrow(fault);
  });
});

it('asks no host when no part has a release', async () => {
  await expect(reachableHosts([partNamed('pilot-agent')])).resolves.toEqual(new Set());
});
