import { parseArgs } from 'node:util';
import type { LabCluster } from './lab.js';

export interface LabOptions {
  readonly clusters?: number;
  /** The clusters share their names: one cluster domain, and an IstioMulticluster for each other one instead of an IstioFederation. */
  readonly multicluster?: boolean;
  /** One trust domain for all clusters, each with a root of its own; default: `<name>.example` each. */
  readonly trustDomain?: string;
  /** Create a peer resource in each cluster for each other one. Default true. */
  readonly peers?: boolean;
  /** Replicas of each of our own Deployments. Default 1. */
  readonly replicas?: number;
  /** More Helm values files, for every cluster; later ones win. */
  readonly values?: readonly string[];
  /** More flags for every API server. */
  readonly apiServerFlags?: readonly string[];
  /** Done in each cluster just before our chart is installed: what an operator has there already. */
  readonly prepare?: (cluster: LabCluster) => Promise<void>;
  /** How far to go: `clusters` = bare Kubernetes, `product` = our chart too, `workloads` (default) = all. */
  readonly upTo?: 'clusters' | 'product' | 'workloads';
  readonly progress?: (line: string) => void;
  /** Ends the getting of parts; started clusters end by `stop`. */
  readonly signal?: AbortSignal;
}

export interface CommandLine {
  readonly options: LabOptions;
  /** Where the description is kept up to date. */
  readonly json?: string;
  readonly help: boolean;
}

export const usage = `npm run lab -- [--multicluster] [--clusters N] [--no-peers] [--replicas N] [--values FILE] [--json FILE]

Starts federated clusters on real parts, with our chart and the workloads of namespace demo, until SIGINT or SIGTERM.
  --multicluster  clusters that share all names: the first two on one network, the others each on its own
  --clusters N   how many (default 2, with --multicluster 3; at most 20)
  --no-peers     don't federate them
  --replicas N   replicas of controller, metadata-api, mesh and gateway (default 1)
  --values FILE  more Helm values; may be repeated
  --json FILE    write the lab's description there when all is ready, and again when a process id changes
  --up-to STEP   clusters, product or workloads (default)`;

const mostClusters = 20;
const steps = ['clusters', 'product', 'workloads'] as const;

/** @throws Error naming the flag, its value and what is allowed */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values } = parseArgs({
    args: [...args],
    options: {
      multicluster: { type: 'boolean', default: false },
      clusters: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
      replicas: { type: 'string', default: '1' },
      values: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' },
      'up-to': { type: 'string', default: 'workloads' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const upTo = steps.find((step) => step === values['up-to']);
  if (upTo === undefined) throw new Error(`--up-to ${values['up-to']}: give one of ${steps.join(', ')}`);
  return {
    options: {
      clusters: count('--clusters', values.clusters ?? (values.multicluster ? '3' : '2'), mostClusters),
      multicluster: values.multicluster,
      peers: !values['no-peers'],
      replicas: count('--replicas', values.replicas, 10),
      values: values.values,
      upTo,
    },
    ...(values.json === undefined ? {} : { json: values.json }),
    help: values.help,
  };
}

function count(flag: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new Error(`${flag} ${text}: give a whole number from 1 to ${most}`);
  }
  return value;
}
