import { describe, expect, it } from '@jest/globals';
import { portMode, workloadModes } from './index.js';
import type { ModePolicy } from './index.js';

const policy = (fields: Partial<ModePolicy>): ModePolicy => ({
  name: 'p',
  namespace: 'demo',
  createdAt: 1,
  portModes: {},
  ...fields,
});
const mesh = policy({ namespace: 'istio-system', mode: 'STRICT' });
const space = policy({ mode: 'DISABLE' });
const own = policy({ selector: { app: 'echo' }, mode: 'PERMISSIVE', portModes: { 80: 'STRICT' } });

describe('workloadModes', () => {
  const cases: readonly [string, ModePolicy[], string, string][] = [
    ['nothing said', [], 'PERMISSIVE', 'PERMISSIVE'],
    ['mesh', [mesh], 'STRICT', 'STRICT'],
    ['namespace over mesh', [mesh, space], 'DISABLE', 'DISABLE'],
    ['workload over namespace, port over workload', [mesh, space, own], 'PERMISSIVE', 'STRICT'],
    ['an unset workload inherits', [mesh, policy({ selector: { app: 'echo' } })], 'STRICT', 'STRICT'],
    ['other labels', [mesh, policy({ selector: { app: 'x' }, mode: 'DISABLE' })], 'STRICT', 'STRICT'],
    ['the oldest', [policy({ mode: 'DISABLE', createdAt: 2 }), policy({ mode: 'STRICT' })], 'STRICT', 'STRICT'],
    ['ports without selector', [policy({ mode: 'STRICT', portModes: { 80: 'DISABLE' } })], 'STRICT', 'STRICT'],
    [
      'a selector in the root namespace',
      [policy({ namespace: 'istio-system', selector: { app: 'echo' }, mode: 'STRICT' })],
      'PERMISSIVE',
      'PERMISSIVE',
    ],
  ];
  it.each(cases)('%s', (_name, policies, mode, onPort) => {
    const modes = workloadModes(policies, 'istio-system', { namespace: 'demo', labels: { app: 'echo' } });
    expect([modes.mode, portMode(modes, 80)]).toEqual([mode, onPort]);
  });
});
