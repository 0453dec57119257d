import { deploymentsAvailable } from './deployments.js';
import { installProduct, releaseNamespace, rootNamespace } from './install.js';
import { startClusters } from './lab.js';
import type { Lab, LabCluster } from './lab.js';
import type { LabOptions } from './options.js';
import { federateAll, joinAll } from './peers.js';
import { injectSidecar } from './sidecar.js';
import { deployWorkloads } from './workloads.js';

/**
 * Starts a lab as far as the options say: clusters, our chart in each, workloads, and a federation between all of them.
 * @throws Error with the reason, the tail of the log that tells it and where all logs are; nothing is left running
 */
export async function startLab(options: LabOptions = {}): Promise<Lab> {
  const say = options.progress ?? ((): void => undefined);
  const lab = await startClusters(options);
  try {
    if (options.upTo === 'clusters') return lab;
    say(`clusters are up: ${lab.clusters.map(({ name }) => name).join(', ')}`);
    await Promise.all(lab.clusters.map((cluster) => installAndDeploy(lab, cluster, options)));
    if (options.peers !== false) {
      if (options.multicluster === true) await joinAll(lab, say);
      else await federateAll(lab, say);
      say('all peers are ready');
    }
    return lab;
  } catch (error) {
    await lab.stop({ keepFiles: true });
    throw new Error(`${(error as Error).message}\nlogs are kept in ${lab.directory}`, { cause: error });
  }
}

async function installAndDeploy(lab: Lab, cluster: LabCluster, options: LabOptions): Promise<void> {
  const say = options.progress ?? ((): void => undefined);
  await installProduct(lab, cluster, options);
  say(`chart is installed in ${cluster.name}`);
  const wanted =
    options.upTo === 'product' ? Promise.resolve() : deployWorkloads(cluster, { inject: injectSidecar, progress: say });
  await Promise.all([
    deploymentsAvailable(cluster, rootNamespace, say),
    deploymentsAvailable(cluster, releaseNamespace, say),
    wanted,
  ]);
  say(`everything runs in ${cluster.name}`);
}
