import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { PodFacts } from './facts.js';
import { writePayload } from './payload-writer.js';
import { payloadOf, shownObjects } from './volume-payload.js';
import type { Payload } from './volume-payload.js';

const facts: PodFacts = {
  pod: { metadata: { name: 'p', namespace: 'n', uid: 'u', labels: { a: '1' } }, spec: { containers: [] } },
  podIp: '',
  hostIp: '',
  allocatable: {},
  configMap: (name) => (name === 'c' ? { data: { k: 'v' }, binaryData: { b: 'AAE=' } } : undefined),
  secret: (name) => (name === 's' ? { data: { word: Buffer.from('sesame').toString('base64') } } : undefined),
};

const token = ({ audience }: { audience: string }): Promise<string> => Promise.resolve(`token for ${audience}`);

async function shown(volume: object): Promise<Readonly<Record<string, string>>> {
  const files = await payloadOf({ name: 'v', ...volume }, facts, token);
  return Object.fromEntries(
    [...files].map(([path, { content, mode }]) => [path, `${mode.toString(8)} ${content.toString('latin1')}`]),
  );
}

describe('files of a volume', () => {
  it('of a ConfigMap: text and binary keys', async () => {
    expect(await shown({ configMap: { name: 'c' } })).toEqual({ k: '644 v', b: '644 \0\u0001' });
  });

  it('of a Secret: chosen keys at chosen paths and modes', async () => {
    const items = [{ key: 'word', path: 'a/b', mode: 0o400 }];
    expect(await shown({ secret: { secretName: 's', items, defaultMode: 0o600 } })).toEqual({ 'a/b': '400 sesame' });
  });

  it('of a projection: token, objects and fields together', async () => {
    const sources = [
      { serviceAccountToken: { audience: 'istio-ca', path: 'token' } },
      { configMap: { name: 'c', items: [{ key: 'k', path: 'k' }] } },
      { secret: { name: 'absent', optional: true } },
      { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
    ];
    expect(await shown({ projected: { sources, defaultMode: 0o440 } })).toEqual({
      token: '440 token for istio-ca',
      k: '440 v',
      labels: '440 a="1"',
    });
  });

  it.each([
    [{ configMap: { name: 'x' } }, 'ConfigMap x is not there'],
    [{ secret: { secretName: 's', items: [{ key: 'y', path: 'y' }] } }, 'Secret s has no key y'],
  ])('says what is missing: %j', async (volume, message) => {
    await expect(shown(volume)).rejects.toThrow(message);
    const [[kind, source]] = Object.entries(volume) as [[string, object]];
    await expect(shown({ [kind]: { ...source, optional: true } })).resolves.toEqual({});
  });

  it('names the objects that a pod shows', () => {
    const volumes = [
      { name: 'a', configMap: { name: 'c' } },
      { name: 'b', projected: { sources: [{ secret: { name: 's' } }] } },
    ];
    const pod = { metadata: facts.pod.metadata, spec: { containers: [], volumes } };
    expect(shownObjects(pod)).toEqual({ configMaps: new Set(['c']), secrets: new Set(['s']) });
  });
});

describe('writing a volume', () => {
  let directory = '';
  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'payload-')), 'v');
  });
  afterEach(() => {
    rmSync(join(directory, '..'), { recursive: true, force: true });
  });

  const payload = (files: Readonly<Record<string, string>>): Payload =>
    new Map(Object.entries(files).map(([path, text]) => [path, { content: Buffer.from(text), mode: 0o640 }]));

  it('shows files through ..data and swaps all at once', () => {
    expect(writePayload(directory, payload({ a: '1', 'd/e': '2', old: '3' }))).toBe(true);
    const first = readlinkSync(join(directory, '..data'));
    expect(readlinkSync(join(directory, 'd'))).toBe('..data/d');
    expect(statSync(join(directory, 'a')).mode & 0o777).toBe(0o640);
    expect(writePayload(directory, payload({ a: '1', 'd/e': '2', old: '3' }))).toBe(false);
    expect(writePayload(directory, payload({ a: 'new', 'd/e': '2' }))).toBe(true);
    const second = readlinkSync(join(directory, '..data'));
    expect(second).not.toBe(first);
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('new');
    expect(readdirSync(directory).sort()).toEqual([second, '..data', 'a', 'd'].sort());
  });
});
