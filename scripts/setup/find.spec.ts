import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { partNamed } from './catalogue.js';
import { findOnMachine, namedByVariable } from './find.js';

const apiserver = partNamed('kube-apiserver');

describe('parts on this machine', () => {
  let folder: string;
  const program = (place: string, says: string): string => {
    mkdirSync(join(folder, place), { recursive: true });
    const file = join(folder, place, apiserver.name);
    writeFileSync(file, `#!/bin/sh\necho "${says}"\n`, { mode: 0o755 });
    return file;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'find-'));
    program('patch', 'Kubernetes v1.35.0');
    program('exact', 'Kubernetes v1.35.4');
    program('old', 'Kubernetes v1.30.4');
    program('mute', 'hello');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['PATH', { PATH: 'exact' }, 'exact', '1.35.4'],
    ['PATH, another patch release', { PATH: 'patch' }, 'patch', '1.35.0'],
    ['KUBEBUILDER_ASSETS before PATH', { PATH: 'exact', KUBEBUILDER_ASSETS: 'patch' }, 'patch', '1.35.0'],
    ['PATH when the assets are of another version', { PATH: 'exact', KUBEBUILDER_ASSETS: 'old' }, 'exact', '1.35.4'],
  ])('finds on %s', async (_, places, found, version) => {
    const env = Object.fromEntries(Object.entries(places).map(([name, place]) => [name, join(folder, place)]));
    await expect(findOnMachine(apiserver, env)).resolves.toEqual({
      path: join(folder, found, apiserver.name),
      version,
    });
  });

  it.each(['old', 'mute', 'absent'])('does not take what is %s', async (place) => {
    await expect(findOnMachine(apiserver, { PATH: join(folder, place) })).resolves.toBeUndefined();
  });

  it('does not look for files that have no version', async () => {
    await expect(findOnMachine(partNamed('istio-crds'), { PATH: folder })).resolves.toBeUndefined();
  });

  it('takes the file that a variable names as it is', () => {
    const file = join(folder, 'old', apiserver.name);
    expect(namedByVariable(apiserver, { ISTHMUS_PART_KUBE_APISERVER: file })).toBe(file);
    expect(namedByVariable(apiserver, {})).toBeUndefined();
    expect(namedByVariable(apiserver, { ISTHMUS_PART_KUBE_APISERVER: '' })).toBeUndefined();
  });

  it.each(['relative/path', '/absent'])('refuses a variable that says %s', (file) => {
    expect(() => namedByVariable(apiserver, { ISTHMUS_PART_KUBE_APISERVER: file })).toThrow(
      `ISTHMUS_PART_KUBE_APISERVER is "${file}": give the absolute path of an existing file, or unset it`,
    );
  });
});
