import { describe, expect, it } from '@jest/globals';
import { parsePeer } from './revoke.js';

describe('parsePeer', () => {
  it.each([
    ['ifed/west', 'IstioFederation'],
    ['IstioFederation/west', 'IstioFederation'],
    ['istiofederations.isthmus.dev/west', 'IstioFederation'],
    ['imc/west', 'IstioMulticluster'],
    ['istiomulticlusters.v1alpha1.isthmus.dev/west', 'IstioMulticluster'],
  ])('%s', (text, kind) => {
    expect(parsePeer(text)).toMatchObject({ kind, name: 'west' });
  });
  it.each(['west', 'imc/', 'imc/west/east', 'pod/west', 'imcs.example/west', 'imc/We st', ''])(
    'refuses %j, and says what is allowed',
    (text) => {
      expect(() => parsePeer(text)).toThrow('give istiofederation/NAME or istiomulticluster/NAME');
    },
  );
});
