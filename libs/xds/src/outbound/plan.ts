import { compareText, reservedPorts } from '#model';
import type { MeshService, MeshServicePort, MeshSettings } from '../mesh-model.js';
import { isAddress } from '../proxy-node.js';
import type { OutboundListenerInput } from './listener.js';
import type { OutboundRouteInput, RoutedPort } from './route.js';

/** Which listeners and route configurations the visible services need. */
export interface OutboundPlan {
  readonly listeners: readonly OutboundListenerInput[];
  readonly routes: readonly Omit<OutboundRouteInput, 'dnsDomain'>[];
}

interface Wildcard {
  readonly routed: RoutedPort[];
  readonly tlsHosts: string[];
  tcpHost?: string;
}

const anyAddress = '0.0.0.0';

/** Ports that get an outbound listener and cluster. */
export function usablePorts(service: MeshService): readonly MeshServicePort[] {
  return service.ports.filter(({ protocol, number }) => protocol !== 'UDP' && !reservedPorts.has(number));
}

/** Services come in order of precedence; an address and port taken by an earlier one stays with it. */
export function outboundPlan(
  services: readonly MeshService[],
  outboundTrafficPolicy: MeshSettings['outboundTrafficPolicy'],
): OutboundPlan {
  const planner = new Planner(outboundTrafficPolicy);
  for (const service of services) {
    for (const port of usablePorts(service)) planner.add(service, port);
  }
  return planner.plan();
}

class Planner {
  private readonly wildcards = new Map<number, Wildcard>();
  private readonly own = new Map<string, OutboundListenerInput>();
  private readonly routes = new Map<string, RoutedPort[]>();

  constructor(private readonly outboundTrafficPolicy: MeshSettings['outboundTrafficPolicy']) {}

  add(service: MeshService, port: MeshServicePort): void {
    const addresses = listenerAddresses(service);
    if (isHttp(port) || (port.protocol === 'auto' && addresses.length === 0)) {
      this.wildcard(port.number).routed.push({ service, port: port.number });
      return;
    }
    if (addresses.length > 0) {
      for (const address of addresses) this.addOwn(address, service, port);
      return;
    }
    const wildcard = this.wildcard(port.number);
    if (port.protocol === 'TLS') wildcard.tlsHosts.push(service.hostname);
    else wildcard.tcpHost ??= service.hostname;
  }

  plan(): OutboundPlan {
    for (const [port, { routed }] of this.wildcards) {
      if (routed.length > 0) this.routes.set(String(port), routed);
    }
    const wild = [...this.wildcards].map(([port, wildcard]) => this.wildcardListener(port, wildcard));
    const { outboundTrafficPolicy } = this;
    return {
      listeners: [...wild, ...this.own.values()].sort((a, b) => compareText(a.address, b.address) || a.port - b.port),
      routes: [...this.routes]
        .map(([name, routed]) => ({ name, routed, outboundTrafficPolicy }))
        .sort((a, b) => compareText(a.name, b.name)),
    };
  }

  private wildcard(port: number): Wildcard {
    const found = this.wildcards.get(port) ?? { routed: [], tlsHosts: [] };
    this.wildcards.set(port, found);
    return found;
  }

  private wildcardListener(port: number, { routed, tlsHosts, tcpHost }: Wildcard): OutboundListenerInput {
    return {
      address: anyAddress,
      port,
      ...(routed.length > 0 ? { routeName: String(port) } : {}),
      detected: false,
      tlsHosts: [...new Set(tlsHosts)].sort(compareText),
      ...(tcpHost === undefined ? {} : { tcpHost }),
      outboundTrafficPolicy: this.outboundTrafficPolicy,
    };
  }

  private addOwn(address: string, service: MeshService, port: MeshServicePort): void {
    const key = `${address}_${port.number}`;
    if (this.own.has(key)) return;
    const detected = port.protocol === 'auto' && !service.headless;
    const routeName = `${service.hostname}:${port.number}`;
    if (detected) this.routes.set(routeName, [{ service, port: port.number }]);
    this.own.set(key, {
      address,
      port: port.number,
      ...(detected ? { routeName } : {}),
      detected,
      tlsHosts: [],
      tcpHost: service.hostname,
      outboundTrafficPolicy: this.outboundTrafficPolicy,
    });
  }
}

function isHttp({ protocol }: MeshServicePort): boolean {
  return protocol === 'HTTP' || protocol === 'HTTP2' || protocol === 'GRPC';
}

/** IPv4 addresses on which a service is asked for: its virtual ones, or those of its pods when it is headless. */
function listenerAddresses({ headless, addresses, endpoints }: MeshService): readonly string[] {
  const all = headless ? endpoints.map(({ address }) => address) : addresses;
  return [...new Set(all)].filter((address) => isAddress(address) && !address.includes(':')).sort(compareText);
}
