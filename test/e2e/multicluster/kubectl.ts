import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureParts } from '../../../scripts/setup/index.js';
import type { ClusterFacts, Lab } from '../../lab/index.js';

/** Runs the real kubectl in a cluster's network; `timeoutSeconds` ends one that watches. Returns what it printed, line by line. */
async function kubectl(
  lab: Lab,
  cluster: string,
  args: readonly string[],
  timeoutSeconds = 90,
): Promise<readonly string[]> {
  const { kubectl: program } = await ensureParts(['kubectl']);
  const cache = `--cache-dir=${join(lab.directory, 'kubectl-cache')}`;
  const command = ['timeout', `${timeoutSeconds}`, program, cache, ...args];
  const { stdout, stderr } = await lab.runIn(cluster, command, { timeoutMs: (timeoutSeconds + 30) * 1000 });
  if (stderr !== '') throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  return stdout.trimEnd().split('\n');
}

/** Flags by which docs/spec/istiomulticluster.md leads an operator's kubectl through the way out to a peer's API server. */
function wayOutFlags({ apiProxy }: ClusterFacts, peer: string): readonly string[] {
  const { address = '', ca = '', credentialFile = '' } = apiProxy ?? {};
  const name = 'isthmus-way-out.isthmus-system.svc';
  return [
    ...['--server', `https://${address}/peers/${peer}`, '--tls-server-name', name],
    ...['--certificate-authority', ca, '--token', readFileSync(credentialFile, 'utf8').trim()],
  ];
}

export interface Operator {
  /** kubectl for the operator's own cluster. */
  here(...args: readonly string[]): Promise<readonly string[]>;
  /** kubectl for a peer's, through the way out. */
  there(peer: string, ...args: readonly string[]): Promise<readonly string[]>;
  /** The same for so many seconds. */
  watch(peer: string, seconds: number, ...args: readonly string[]): Promise<readonly string[]>;
}

/** Whoever sits at a shell in this cluster. */
export function operatorOf(lab: Lab, facts: ClusterFacts): Operator {
  return {
    here: (...args) => kubectl(lab, facts.name, ['--kubeconfig', facts.kubeconfig, ...args]),
    there: (peer, ...args) => kubectl(lab, facts.name, [...wayOutFlags(facts, peer), ...args]),
    watch: (peer, seconds, ...args) => kubectl(lab, facts.name, [...wayOutFlags(facts, peer), ...args], seconds),
  };
}
