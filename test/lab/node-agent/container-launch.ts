import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ContainerLaunch } from '../pod/container-process.js';
import { environmentOf, expand } from '../pod/environment.js';
import type { PodFacts } from '../pod/facts.js';
import { identityOf } from '../pod/identity.js';
import { commandOf, localImage } from '../pod/images.js';
import { givenVariables, hostnameOf, hostsFile, resolvConf } from '../pod/pod-files.js';
import type { Container } from '../pod/pod-types.js';
import { layOutRoot } from '../pod/root.js';
import { planRoot } from '../pod/root-plan.js';
import type { PodVolumes } from './pod-volumes.js';
import type { NodeContext } from './settings.js';

export interface LaunchWish {
  readonly container: Container;
  readonly facts: PodFacts;
  readonly volumes: PodVolumes;
  readonly podDirectory: string;
  readonly sandboxPid: number;
  /** Marks of this attempt. */
  readonly id: string;
}

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Prepares a container to the point of starting it: image, identity, environment, files of its root.
 * @throws NotYet with the reason that its status will show
 */
export function prepareContainer(context: NodeContext, wish: LaunchWish): ContainerLaunch {
  const { settings, apiService, landmarks } = context;
  const { container, facts, podDirectory, id } = wish;
  const { pod } = facts;
  const image = localImage(settings.images, container);
  const identity = identityOf(pod.spec, container, image.user);
  const hostname = hostnameOf(pod, settings.node);
  const environment = environmentOf(container, facts, {
    PATH: `${searchPath}:${dirname(process.execPath)}`,
    HOME: homeOf(identity.uid),
    ...givenVariables(apiService.address, apiService.port, hostname),
    ...image.env,
  });
  const directory = join(podDirectory, 'containers', container.name);
  mkdirSync(directory, { recursive: true });
  const root = join(directory, 'root');
  const fromImage = (image.mounts ?? []).map(({ from, to }) => ({ source: from, target: to, readOnly: true }));
  const plan = planRoot(settings.shown, fromImage, wish.volumes.mountsOf(pod, container, environment));
  const names = { dns: settings.clusterDns, domain: settings.clusterDomain };
  const fstab = layOutRoot(root, plan, {
    hosts: hostsFile(pod, facts.podIp, hostname),
    resolvConf: resolvConf(pod, names),
    hostname,
    uid: identity.uid,
  });
  return {
    directory,
    root,
    fstab,
    readOnlyRoot: container.securityContext?.readOnlyRootFilesystem === true,
    identity,
    environment,
    workingDir: container.workingDir ?? image.workingDir ?? '/',
    command: commandOf(container, image).map((word) => expand(word, environment)),
    sandboxPid: wish.sandboxPid,
    startedFile: landmarks.startedFile(id),
    exitedFile: landmarks.exitedFile(id),
    logFile: join(podDirectory, `${container.name}.log`),
  };
}

function homeOf(uid: number): string {
  if (uid === 0) return '/root';
  return uid === 1337 ? '/home/istio-proxy' : '/';
}
