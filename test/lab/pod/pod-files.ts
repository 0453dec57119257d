import type { Pod } from './pod-types.js';

export interface ClusterNames {
  readonly dns: string;
  readonly domain: string;
}

export function hostnameOf(pod: Pod, nodeName: string): string {
  return pod.spec.hostNetwork === true ? nodeName : (pod.spec.hostname ?? pod.metadata.name).slice(0, 63);
}

/** /etc/hosts as the kubelet writes it. */
export function hostsFile(pod: Pod, podIp: string, hostname: string): string {
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`);
  return `${['127.0.0.1\tlocalhost', `${podIp}\t${hostname}`, ...aliases].join('\n')}\n`;
}

/** /etc/resolv.conf by dnsPolicy and dnsConfig; the lab has no other name servers than the cluster's. */
export function resolvConf(pod: Pod, cluster: ClusterNames): string {
  const { dnsPolicy = 'ClusterFirst', dnsConfig = {} } = pod.spec;
  const own = dnsPolicy === 'None';
  const domains = [`${pod.metadata.namespace}.svc.${cluster.domain}`, `svc.${cluster.domain}`, cluster.domain];
  const servers = [...(own ? [] : [cluster.dns]), ...(dnsConfig.nameservers ?? [])];
  const searches = [...(own ? [] : domains), ...(dnsConfig.searches ?? [])];
  const options = new Map<string, string | undefined>(own ? [] : [['ndots', '5']]);
  for (const { name, value } of dnsConfig.options ?? []) options.set(name, value);
  const written = [...options].map(([name, value]) => (value === undefined ? name : `${name}:${value}`));
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...(written.length === 0 ? [] : [`options ${written.join(' ')}`]),
    '',
  ].join('\n');
}

/** Variables that every container gets: the API server's Service, as in-cluster configuration reads it. */
export function givenVariables(
  apiAddress: string,
  apiPort: string,
  hostname: string,
): Readonly<Record<string, string>> {
  const url = `tcp://${apiAddress}:${apiPort}`;
  const proto = `KUBERNETES_PORT_${apiPort}_TCP`;
  return {
    HOSTNAME: hostname,
    KUBERNETES_SERVICE_HOST: apiAddress,
    KUBERNETES_SERVICE_PORT: apiPort,
    KUBERNETES_SERVICE_PORT_HTTPS: apiPort,
    KUBERNETES_PORT: url,
    [proto]: url,
    [`${proto}_PROTO`]: 'tcp',
    [`${proto}_PORT`]: apiPort,
    [`${proto}_ADDR`]: apiAddress,
  };
}
