import { describe, expect, it } from '@jest/globals';
import { identityOf, setpriv } from './identity.js';
import type { Container, PodSecurityContext, SecurityContext } from './pod-types.js';

function identity(own: SecurityContext, shared: PodSecurityContext = {}, imageUser = 0): ReturnType<typeof identityOf> {
  const container: Container = { name: 'app', securityContext: own };
  return identityOf({ containers: [container], securityContext: shared }, container, imageUser);
}

describe('identity of a container', () => {
  it.each([
    ['root, unless said', {}, {}, { uid: 0, gid: 0, groups: [] }],
    ['the container’s word', { runAsUser: 1337, runAsGroup: 7 }, { runAsUser: 5 }, { uid: 1337, gid: 7 }],
    ['the pod’s word', {}, { runAsUser: 5, fsGroup: 9, supplementalGroups: [3] }, { uid: 5, gid: 0, groups: [3, 9] }],
    ['no group twice', { runAsGroup: 9 }, { runAsUser: 5, fsGroup: 9 }, { gid: 9, groups: [] }],
    ['no new privileges', { allowPrivilegeEscalation: false }, {}, { noNewPrivileges: true }],
    [
      'privileged',
      { privileged: true, allowPrivilegeEscalation: false },
      {},
      { capabilities: 'all', noNewPrivileges: false },
    ],
    [
      'capabilities dropped and added',
      { capabilities: { drop: ['ALL'], add: ['NET_RAW', 'CAP_NET_ADMIN'] } },
      {},
      { capabilities: ['net_admin', 'net_raw'] },
    ],
  ] as const)('is %s', (_title, own, shared, wanted) => {
    expect(identity(own, shared)).toMatchObject(wanted);
  });

  it('refuses user 0 where runAsNonRoot is asked for', () => {
    expect(() => identity({ runAsNonRoot: true })).toThrow('container app has runAsNonRoot and would run as user 0');
    expect(identity({}, { runAsNonRoot: true }, 65_532)).toMatchObject({ uid: 65_532, gid: 65_532 });
  });

  it('keeps the usual capabilities of a container engine unless dropped', () => {
    const { capabilities } = identity({ capabilities: { drop: ['NET_RAW'] } });
    expect(capabilities).toContain('chown');
    expect(capabilities).not.toContain('net_raw');
    expect(capabilities).not.toContain('net_admin');
  });

  it('becomes a setpriv command line', () => {
    const words = setpriv(
      identity({ runAsUser: 1337, runAsGroup: 1337, capabilities: { drop: ['ALL'], add: ['NET_RAW'] } }),
    );
    expect(words.join(' ')).toBe(
      '/usr/bin/setpriv --reuid=1337 --regid=1337 --clear-groups --inh-caps=-all --bounding-set -all,+net_raw --',
    );
  });
});
