import type { FilterChainMatchSchema } from '#proto-gen/envoy/config/listener/v3/listener_components_pb';
import type { Init } from '../envoy/init.js';
import type { MutualTlsMode, PortProtocol } from '../mesh-model.js';
import { alpn } from '../identity/alpn.js';

/** One filter chain of a port: what it matches, whether TLS ends there, and what it carries. */
export interface ChainPlan {
  readonly match: Omit<Init<typeof FilterChainMatchSchema>, 'destinationPort'>;
  readonly mutualTls: boolean;
  readonly http: boolean;
}

type Carried = 'HTTP' | 'TCP' | 'auto';

const tls = (offered: readonly string[] = []): ChainPlan['match'] => ({
  transportProtocol: 'tls',
  applicationProtocols: [...offered],
});
const plain = (detected: readonly string[] = []): ChainPlan['match'] => ({
  transportProtocol: 'raw_buffer',
  applicationProtocols: [...detected],
});
const mutual = (match: ChainPlan['match'], http: boolean): ChainPlan => ({ match, mutualTls: true, http });
const open = (match: ChainPlan['match'], http: boolean): ChainPlan => ({ match, mutualTls: false, http });

/** Istio's table: which chains a port has by its mode and by what is known of its protocol. */
const plans: Readonly<Record<MutualTlsMode, Readonly<Record<Carried, readonly ChainPlan[]>>>> = {
  STRICT: {
    HTTP: [mutual(tls(), true)],
    TCP: [mutual(tls(), false)],
    auto: [mutual(tls(alpn.meshHttp), true), mutual(tls(), false)],
  },
  PERMISSIVE: {
    HTTP: [mutual(tls(alpn.mesh), true), open(plain(), true)],
    TCP: [mutual(tls(alpn.mesh), false), open(plain(), false), open(tls(), false)],
    auto: [
      mutual(tls(alpn.meshHttp), true),
      open(plain(alpn.plainHttp), true),
      mutual(tls(alpn.meshTcp), false),
      open(plain(), false),
      open(tls(), false),
    ],
  },
  DISABLE: {
    HTTP: [open(plain(), true)],
    TCP: [open(plain(), false), open(tls(), false)],
    auto: [open(plain(alpn.plainHttp), true), open(plain(), false), open(tls(), false)],
  },
};

/** Chains of a port, most specific match first. */
export function chainPlans(mode: MutualTlsMode, protocol: PortProtocol): readonly ChainPlan[] {
  return plans[mode][carried(protocol)];
}

/** True when some chain of the port carries HTTP and so needs a route configuration. */
export function carriesHttp(protocol: PortProtocol): boolean {
  return carried(protocol) !== 'TCP';
}

/** True when some chain of the port carries bytes. */
export function carriesBytes(protocol: PortProtocol): boolean {
  return carried(protocol) !== 'HTTP';
}

function carried(protocol: PortProtocol): Carried {
  if (protocol === 'HTTP' || protocol === 'HTTP2' || protocol === 'GRPC') return 'HTTP';
  return protocol === 'auto' ? 'auto' : 'TCP';
}
