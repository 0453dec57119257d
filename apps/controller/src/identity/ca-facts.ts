import type { ConfigMap } from '#istio-api';
import { names } from '#model';
import { splitCertificates, splitCrls } from '#trust';

/** What is told of this cluster's workload CA, PEM each. */
export interface CaFacts {
  readonly roots: readonly string[];
  /** New roots as an older one certified them. */
  readonly crossCertificates: readonly string[];
  readonly crls: readonly string[];
}

/**
 * Reads the ConfigMaps of the release namespace in which the mesh core tells of its CA; a stock istiod with a plugged-in CA tells its
 * revocation lists in one of its own.
 */
export function caFacts(configMap: (name: string) => ConfigMap | undefined): CaFacts {
  const told = configMap(names.caReportConfigMap)?.data;
  const lists = told?.[names.caCrlKey] ?? configMap(names.caCrlConfigMap)?.data?.[names.caCrlKey] ?? '';
  return {
    roots: splitCertificates(configMap(names.rootCertConfigMap)?.data?.[names.rootCertKey] ?? ''),
    crossCertificates: splitCertificates(told?.[names.crossCertKey] ?? ''),
    crls: splitCrls(lists),
  };
}
