import { NotYet } from './fault.js';
import type { Container, PodSecurityContext, PodSpec } from './pod-types.js';

/** Whom a container's process runs as. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** The bounding set, names as setpriv wants them; `all` where nothing is taken away. */
  readonly capabilities: readonly string[] | 'all';
  readonly noNewPrivileges: boolean;
}

/** What container engines leave to root when nothing else is said. */
const defaultCapabilities = [
  'audit_write',
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'mknod',
  'net_bind_service',
  'net_raw',
  'setfcap',
  'setgid',
  'setpcap',
  'setuid',
  'sys_chroot',
];

/**
 * Identity by the container's and the pod's securityContext; the container's word counts first.
 * @throws NotYet when runAsNonRoot meets user 0
 */
export function identityOf(pod: PodSpec, container: Container, imageUser = 0): Identity {
  const own = container.securityContext ?? {};
  const shared = pod.securityContext ?? {};
  const { runAsUser: uid = imageUser, runAsGroup, runAsNonRoot } = { ...shared, ...own };
  const gid = runAsGroup ?? (uid === imageUser ? imageUser : 0);
  if (runAsNonRoot === true && uid === 0) {
    throw new NotYet(
      'CreateContainerConfigError',
      `container ${container.name} has runAsNonRoot and would run as user 0: set runAsUser`,
    );
  }
  return {
    uid,
    gid,
    groups: groupsOf(pod.securityContext, gid),
    capabilities: capabilitiesOf(container),
    noNewPrivileges: own.allowPrivilegeEscalation === false && own.privileged !== true,
  };
}

function groupsOf(shared: PodSecurityContext = {}, gid: number): readonly number[] {
  const { supplementalGroups = [], fsGroup } = shared;
  const groups = new Set([...supplementalGroups, ...(fsGroup === undefined ? [] : [fsGroup])]);
  return [...groups].filter((group) => group !== gid).sort((a, b) => a - b);
}

function capabilitiesOf(container: Container): readonly string[] | 'all' {
  const { privileged, capabilities } = container.securityContext ?? {};
  const added = (capabilities?.add ?? []).map(capabilityName);
  const dropped = new Set((capabilities?.drop ?? []).map(capabilityName));
  if (privileged === true || added.includes('all')) return 'all';
  const kept = dropped.has('all') ? [] : defaultCapabilities.filter((name) => !dropped.has(name));
  return [...new Set([...kept, ...added])].sort();
}

function capabilityName(name: string): string {
  return name.toLowerCase().replace(/^cap_/, '');
}

/** `setpriv` with everything that makes its command run as this identity. */
export function setpriv(identity: Identity): readonly string[] {
  const { uid, gid, groups, capabilities, noNewPrivileges } = identity;
  const bounding =
    capabilities === 'all' ? [] : ['--bounding-set', ['-all', ...capabilities.map((name) => `+${name}`)].join(',')];
  return [
    '/usr/bin/setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`,
    '--inh-caps=-all',
    ...bounding,
    ...(noNewPrivileges ? ['--no-new-privs'] : []),
    '--',
  ];
}
