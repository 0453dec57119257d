import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { adopt } from './cache.js';
import { partNamed } from './catalogue.js';
import { ensureParts, partPath, reportParts } from './index.js';

describe('parts that are there already', () => {
  let root: string;
  const before = { ...process.env };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'parts-'));
    process.env['ISTHMUS_CACHE'] = root;
    writeFileSync(join(root, 'made'), 'x');
    adopt(root, partNamed('istio-crds'), join(root, 'made'), 'taken from a Go module');
    writeFileSync(join(root, 'own'), 'x');
    process.env['ISTHMUS_PART_ENVOY_BOOTSTRAP'] = join(root, 'own');
  });
  afterEach(() => {
    process.env = { ...before };
    rmSync(root, { recursive: true });
  });

  it('are given without a word', async () => {
    const lines: unknown[] = [];
    const parts = await ensureParts(['istio-crds', 'envoy-bootstrap'], { onProgress: (line) => lines.push(line) });
    expect(parts).toEqual({ 'istio-crds': partPath('istio-crds'), 'envoy-bootstrap': join(root, 'own') });
    expect(lines).toEqual([]);
  });

  it('are reported with how they came', async () => {
    await expect(reportParts(['istio-crds', 'envoy-bootstrap', 'helm'])).resolves.toEqual([
      { name: 'istio-crds', version: '1.31.1', how: 'taken from a Go module', path: partPath('istio-crds') },
      {
        name: 'envoy-bootstrap',
        version: 'unknown',
        how: 'named by ISTHMUS_PART_ENVOY_BOOTSTRAP',
        path: join(root, 'own'),
      },
      { name: 'helm', version: '4.3.1', how: 'missing' },
    ]);
  });

  it('partPath tells how to get one that is not there', () => {
    expect(() => partPath('helm')).toThrow(`part "helm" is not in ${root}: run npm run setup -- --only helm`);
  });
});
