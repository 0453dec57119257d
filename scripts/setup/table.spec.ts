import { expect, it } from '@jest/globals';
import { table } from './table.js';

it('lines up part, version, how and path', () => {
  const text = table([
    { name: 'helm', version: '4.3.1', how: 'built', path: '/c/helm' },
    { name: 'kube-apiserver', version: '1.35.4', how: 'missing' },
  ]);
  expect(text).toBe(
    [
      'PART            VERSION  HOW      PATH',
      'helm            4.3.1    built    /c/helm',
      'kube-apiserver  1.35.4   missing  -',
      '',
    ].join('\n'),
  );
});
