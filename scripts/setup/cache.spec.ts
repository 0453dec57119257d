import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { adopt, cacheDirectory, parseStamp, partDirectory, readCached, remember, workDirectory } from './cache.js';
import { partNamed } from './catalogue.js';

const helm = partNamed('helm');

describe('cacheDirectory', () => {
  it.each([
    [{ ISTHMUS_CACHE: '/c' }, '/c'],
    [{ ISTHMUS_CACHE: '/c', XDG_CACHE_HOME: '/x' }, '/c'],
    [{ XDG_CACHE_HOME: '/x' }, '/x/isthmus/parts'],
  ])('%j', (env, expected) => {
    expect(cacheDirectory(env)).toBe(expected);
  });

  it('is in the home folder when nothing is said, and ignores a relative XDG_CACHE_HOME as its specification asks', () => {
    expect(cacheDirectory({})).toMatch(/^\/.*\/\.cache\/isthmus\/parts$/);
    expect(cacheDirectory({ XDG_CACHE_HOME: 'x' })).toBe(cacheDirectory({}));
  });

  it('refuses a relative ISTHMUS_CACHE', () => {
    expect(() => cacheDirectory({ ISTHMUS_CACHE: 'x' })).toThrow('give an absolute path');
  });
});

describe('a cache', () => {
  let root: string;
  const made = (content: string): string => {
    const file = join(root, 'made');
    writeFileSync(file, content);
    return file;
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'parts-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it('is empty at first', () => {
    expect(readCached(root, helm)).toBeUndefined();
  });

  it('gives back what it adopted, and says how it came', () => {
    const adopted = adopt(root, helm, made('binary'), 'built');
    expect(adopted.path).toBe(join(partDirectory(root, helm), 'helm'));
    expect(readCached(root, helm)).toEqual({ path: adopted.path, version: helm.version, how: 'built' });
    expect(existsSync(join(root, 'made'))).toBe(false);
  });

  it('does not serve another version', () => {
    adopt(root, helm, made('binary'), 'built');
    expect(readCached(root, { ...helm, version: '9.9.9' })).toBeUndefined();
  });

  it.each(['stamp.json', 'helm'])('counts a part as absent when its %s is damaged, and replaces it', (file) => {
    adopt(root, helm, made('binary'), 'built');
    appendFileSync(join(partDirectory(root, helm), file), 'x');
    expect(readCached(root, helm)).toBeUndefined();
    adopt(root, helm, made('again'), 'downloaded');
    expect(readCached(root, helm)?.how).toBe('downloaded');
  });

  it('leaves nothing in the work folder', () => {
    adopt(root, helm, made('binary'), 'built');
    mkdirSync(workDirectory(root), { recursive: true });
    expect(existsSync(join(workDirectory(root), `helm-${process.pid}`))).toBe(false);
  });

  it('remembers a file elsewhere until that file changes', () => {
    const elsewhere = made('of the system');
    remember(root, helm, elsewhere, '4.3.9');
    expect(readCached(root, helm)).toEqual({ path: elsewhere, version: '4.3.9', how: 'found on this machine' });
    utimesSync(elsewhere, new Date(), new Date(0));
    expect(readCached(root, helm)).toBeUndefined();
  });
});

it.each(['', 'null', '{}', '{"file":"f"}', '{"file":1,"size":1,"version":"1","how":"built"}'])(
  'parseStamp refuses %j',
  (text) => {
    expect(() => parseStamp(text)).toThrow();
  },
);
