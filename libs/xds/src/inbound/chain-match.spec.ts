import { describe, expect, it } from '@jest/globals';
import type { MutualTlsMode, PortProtocol } from '../mesh-model.js';
import { chainPlans } from './chain-match.js';

/** `tls`/`raw`, the protocols matched, whether TLS ends here, what is carried. */
const words = (mode: MutualTlsMode, protocol: PortProtocol): readonly string[] =>
  chainPlans(mode, protocol).map(({ match, mutualTls, http }) =>
    [
      match.transportProtocol === 'tls' ? 'tls' : 'raw',
      (match.applicationProtocols ?? []).join(','),
      mutualTls ? 'mutual' : 'open',
      http ? 'http' : 'tcp',
    ].join(' '),
  );
const mesh = 'istio,istio-peer-exchange,istio-http/1.0,istio-http/1.1,istio-h2';
const meshHttp = 'istio-http/1.0,istio-http/1.1,istio-h2';
const meshTcp = 'istio-peer-exchange,istio';

describe('chainPlans', () => {
  const cases: readonly [MutualTlsMode, PortProtocol, string[]][] = [
    ['STRICT', 'HTTP', ['tls  mutual http']],
    ['STRICT', 'GRPC', ['tls  mutual http']],
    ['STRICT', 'TCP', ['tls  mutual tcp']],
    ['STRICT', 'auto', [`tls ${meshHttp} mutual http`, 'tls  mutual tcp']],
    ['PERMISSIVE', 'HTTP2', [`tls ${mesh} mutual http`, 'raw  open http']],
    ['PERMISSIVE', 'TLS', [`tls ${mesh} mutual tcp`, 'raw  open tcp', 'tls  open tcp']],
    [
      'PERMISSIVE',
      'auto',
      [
        `tls ${meshHttp} mutual http`,
        'raw http/1.1,h2c open http',
        `tls ${meshTcp} mutual tcp`,
        'raw  open tcp',
        'tls  open tcp',
      ],
    ],
    ['DISABLE', 'HTTP', ['raw  open http']],
    ['DISABLE', 'TCP', ['raw  open tcp', 'tls  open tcp']],
  ];
  it.each(cases)('%s %s', (mode, protocol, expected) => expect(words(mode, protocol)).toEqual(expected));

  it.each(cases)('%s %s: no two chains match the same', (mode, protocol) => {
    const matches = chainPlans(mode, protocol).flatMap(({ match }) =>
      (match.applicationProtocols?.length ? match.applicationProtocols : ['']).map(
        (each) => `${match.transportProtocol} ${each}`,
      ),
    );
    expect(new Set(matches).size).toBe(matches.length);
  });
});
