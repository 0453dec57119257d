import { isIP } from 'node:net';
import type { MeshConfig } from '../config.js';
import type { ServerNames } from './certificate-authority.js';

/** Service accounts that the chart gives us; only our own log and peers of ours read it. */
const serviceAccount = 'isthmus-mesh';

/** Names under which agents reach the mesh core: Istio's, our own Service's, and those of a local run. */
export function serverNames(
  config: Pick<MeshConfig, 'rootNamespace' | 'clusterDomain' | 'trustDomain' | 'xdsAddress'>,
): ServerNames {
  const { rootNamespace, clusterDomain, trustDomain, xdsAddress } = config;
  const services = ['istiod', 'istio-pilot', 'isthmus-mesh'].flatMap((service) => [
    `${service}.${rootNamespace}`,
    `${service}.${rootNamespace}.svc`,
    `${service}.${rootNamespace}.svc.${clusterDomain}`,
  ]);
  const { host } = xdsAddress;
  const isAddress = isIP(host) !== 0;
  const everywhere = host === '0.0.0.0' || host === '::';
  const istio = rootNamespace === 'istio-system' ? [] : ['istiod.istio-system.svc'];
  const dnsNames = new Set([...services, ...istio, 'localhost', ...(isAddress ? [] : [host])]);
  const ips = new Set(['127.0.0.1', '::1', ...(isAddress && !everywhere ? [host] : [])]);
  return {
    dnsNames: [...dnsNames],
    ips: [...ips],
    spiffeId: `spiffe://${trustDomain}/ns/${rootNamespace}/sa/${serviceAccount}`,
  };
}
