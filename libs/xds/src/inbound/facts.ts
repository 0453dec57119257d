import { portMode, workloadModes } from '#istio-api';
import { reservedPorts, sortedBy, sortedRecord } from '#model';
import { grantedTrustDomains, portNumber } from '../authz/grants.js';
import type {
  AuthorizationPolicy,
  MeshModel,
  MeshService,
  MutualTlsMode,
  PortProtocol,
  Workload,
} from '../mesh-model.js';
import { oldestFirst } from '../ordering.js';
import type { ProxyNode } from '../proxy-node.js';
import { selects } from '../selection.js';

/** One port of the workload that has a chain of its own. */
export interface InboundPort {
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly mode: MutualTlsMode;
  readonly grantedTrustDomains: readonly string[];
  /** False for a port that no Service names and only a policy mentions. */
  readonly served: boolean;
}

/** Everything that a proxy's inbound configuration depends on; equal facts give equal resources. */
export interface InboundFacts {
  readonly trustDomain: string;
  readonly mode: MutualTlsMode;
  readonly ports: readonly InboundPort[];
  /** Peer trust domains that may reach every port. */
  readonly grantedEverything: readonly string[];
  readonly policies: readonly AuthorizationPolicy[];
}

type Target = Pick<Workload, 'namespace' | 'labels' | 'namedPorts' | 'locality'>;

/** The proxy's workload as the model knows it, else as the proxy describes itself. */
export function workloadOf(model: Pick<MeshModel, 'workloads'>, proxy: ProxyNode): Target {
  const own = new Set(proxy.addresses);
  const known = model.workloads.find(
    ({ namespace, addresses }) => namespace === proxy.namespace && addresses.some((address) => own.has(address)),
  );
  return known ?? { namespace: proxy.namespace, labels: proxy.labels, namedPorts: proxy.namedPorts };
}

/** Gathers what concerns one workload out of the model. */
export function inboundFacts(model: MeshModel, workload: Target): InboundFacts {
  const modes = workloadModes(model.peerAuthentications, model.cluster.rootNamespace, workload);
  const served = servedPorts(model.services, workload);
  const mentioned = Object.keys(modes.ports)
    .map(Number)
    .filter((port) => !served.has(port) && !reservedPorts.has(port));
  const ports = [...served, ...mentioned.map((port): [number, PortProtocol] => [port, 'TCP'])];
  return {
    trustDomain: model.cluster.trustDomain,
    mode: modes.mode,
    ports: ports
      .map(([port, protocol]) => ({
        port,
        protocol,
        mode: portMode(modes, port),
        grantedTrustDomains: grantedTrustDomains(model.grants, workload, port),
        served: served.has(port),
      }))
      .sort((a, b) => a.port - b.port),
    grantedEverything: grantedTrustDomains(model.grants, workload),
    policies: policiesFor(model, workload).map(canonical),
  };
}

/** Target ports by Services that select the workload; on one port the oldest Service's protocol holds. */
function servedPorts(services: readonly MeshService[], workload: Target): ReadonlyMap<number, PortProtocol> {
  const selecting = services.filter(
    ({ namespace, selector }) =>
      namespace === workload.namespace &&
      selector !== undefined &&
      Object.keys(selector).length > 0 &&
      selects(selector, workload.labels),
  );
  const found = new Map<number, PortProtocol>();
  for (const service of oldestFirst(selecting)) {
    for (const port of [...service.ports].sort((a, b) => a.number - b.number)) {
      const number = portNumber(port.targetPort ?? port.number, workload);
      if (number === undefined || port.protocol === 'UDP' || reservedPorts.has(number)) continue;
      if (!found.has(number)) found.set(number, port.protocol);
    }
  }
  return found;
}

function policiesFor(model: MeshModel, workload: Target): readonly AuthorizationPolicy[] {
  const { rootNamespace } = model.cluster;
  const holding = model.authorizationPolicies.filter(
    ({ namespace, selector }) =>
      (namespace === rootNamespace || namespace === workload.namespace) && selects(selector ?? {}, workload.labels),
  );
  return sortedBy(holding, ({ namespace, name }) => `${namespace}/${name}`);
}

/** Leaves out what no longer matters once a policy is known to hold, so that equal policies look equal. */
function canonical({ namespace, name, action, rules }: AuthorizationPolicy): AuthorizationPolicy {
  return { namespace, name, action, rules: rules.map((rule) => sortedRecord({ ...rule })) };
}
