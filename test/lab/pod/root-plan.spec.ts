import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AddressPool, gatewayOf } from './addresses.js';
import { commandOf, imageName, localImage } from './images.js';
import { givenVariables, hostsFile, resolvConf } from './pod-files.js';
import { planRoot } from './root-plan.js';
import { hardwareAddress, sandboxScript } from './sandbox.js';
import { commandLine, fstabField } from './shell.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'root-plan-'));
  mkdirSync(join(folder, 'shown/deep/there'), { recursive: true });
  writeFileSync(join(folder, 'shown/deep/file'), '');
  writeFileSync(join(folder, 'program'), '');
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('root of a container', () => {
  const targets = (mounts: readonly { target: string }[]): readonly string[] =>
    mounts.map(({ target }) => target).filter((target) => target.startsWith(folder));

  it('shows the machine’s programs and the folders asked for, read-only', () => {
    const { mounts } = planRoot([join(folder, 'shown')], [], []);
    expect(mounts).toContainEqual({ source: '/usr', target: '/usr', readOnly: true });
    expect(mounts.every(({ readOnly }) => readOnly)).toBe(true);
    expect(targets(mounts)).toEqual([join(folder, 'shown')]);
  });

  it('takes a read-only folder apart where a mount inside has no place yet', () => {
    const target = join(folder, 'shown/deep/new');
    const { mounts } = planRoot(
      [join(folder, 'shown')],
      [{ source: join(folder, 'program'), target, readOnly: true }],
      [],
    );
    expect(new Set(targets(mounts))).toEqual(
      new Set([join(folder, 'shown/deep/file'), join(folder, 'shown/deep/there'), target]),
    );
    const inside = { source: folder, target: join(folder, 'shown/deep/there'), readOnly: false };
    expect(targets(planRoot([join(folder, 'shown')], [], [inside]).mounts)).toEqual([
      join(folder, 'shown'),
      inside.target,
    ]);
  });

  it('mounts outer folders before inner ones', () => {
    const volume = (target: string): { source: string; target: string; readOnly: boolean } => ({
      source: folder,
      target,
      readOnly: false,
    });
    const { mounts } = planRoot([], [], [volume('/data/inner/'), volume('/data')]);
    expect(mounts.map(({ target }) => target).filter((target) => target.startsWith('/data'))).toEqual([
      '/data',
      '/data/inner',
    ]);
  });
});

describe('sandbox of a pod', () => {
  const network = { bridge: 'pods', gateway: '10.244.0.1', address: '10.244.1.9', linkName: 'v0abc' };
  const wish = { directory: '/d', hostname: 'web', sysctls: {}, startedFile: '/m/x.started', logFile: '/d/log' };

  it('has a /32 address whose only way leads through the node', () => {
    const script = sandboxScript({ ...wish, network });
    expect(script).toContain('link add eth0 address 0a:58:0a:f4:01:09 type veth peer name v0abc netns $1');
    expect(script).toContain('address add 10.244.1.9/32 dev eth0');
    expect(script).toContain('link set v0abc master pods up');
    expect(script.trimEnd().split('\n').at(-1)).toBe('exec sleep infinity');
  });

  it('leaves the node’s own network alone', () => {
    expect(sandboxScript(wish)).not.toMatch(/\bip\b|sysctl|\/proc\/sys/);
    expect(hardwareAddress('10.244.0.255')).toBe('0a:58:0a:f4:00:ff');
  });
});

describe('pod addresses', () => {
  it('are kept over restarts, and given again as late as possible', () => {
    const file = join(folder, 'addresses.json');
    const pool = new AddressPool('10.244.0.0/16', file);
    const first = pool.acquire('a');
    expect(pool.acquire('a')).toBe(first);
    const again = new AddressPool('10.244.0.0/16', file);
    expect(again.acquire('a')).toBe(first);
    again.release('a');
    expect(again.acquire('b')).not.toBe(first);
  });

  it('begin behind the gateway’s', () => {
    expect(gatewayOf('10.244.0.0/16')).toBe('10.244.0.1');
    expect(() => gatewayOf('10.244.0.0')).toThrow('--pod-cidr 10.244.0.0 is not an IPv4 range');
  });

  it('end where the range ends', () => {
    const pool = new AddressPool('10.0.0.0/26', join(folder, 'small.json'));
    for (let owner = 0; owner < 47; owner += 1) pool.acquire(String(owner));
    expect(() => pool.acquire('one too many')).toThrow('no free pod address');
  });
});

describe('images', () => {
  it.each([
    ['isthmus/mesh:0.1', 'isthmus/mesh'],
    ['host:5000/a/b', 'host:5000/a/b'],
    ['host:5000/a/b:1@sha256:00', 'host:5000/a/b'],
  ])('%s is named %s', (reference, name) => {
    expect(imageName(reference)).toBe(name);
  });

  it.each([
    [{}, ['run', '-x']],
    [{ args: ['-y'] }, ['run', '-y']],
    [{ command: ['other'] }, ['other']],
    [{ command: ['other'], args: ['-z'] }, ['other', '-z']],
  ])('%j runs %j', (own, wanted) => {
    expect(commandOf({ name: 'app', ...own }, { command: ['run'], args: ['-x'] })).toEqual(wanted);
  });

  it('says what to do about an unknown one', () => {
    const file = join(folder, 'images.json');
    writeFileSync(file, '{}');
    expect(() => localImage(file, { name: 'app', image: 'a/b:1' })).toThrow(`image a/b:1 is not in ${file}`);
    expect(() => commandOf({ name: 'app' }, {})).toThrow('neither container app nor its image names a command');
  });
});

describe('files of a pod', () => {
  const pod = { metadata: { name: 'web', namespace: 'demo', uid: 'u' }, spec: { containers: [] } };
  const cluster = { dns: '10.96.0.10', domain: 'east.example' };

  it('resolv.conf searches the namespace, the services and the cluster', () => {
    expect(resolvConf(pod, cluster)).toBe(
      'nameserver 10.96.0.10\nsearch demo.svc.east.example svc.east.example east.example\noptions ndots:5\n',
    );
    const own = { dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], options: [{ name: 'rotate' }] } };
    expect(resolvConf({ ...pod, spec: { containers: [], ...own } }, cluster)).toBe(
      'nameserver 1.1.1.1\noptions rotate\n',
    );
  });

  it('hosts names the pod and its aliases', () => {
    const spec = { containers: [], hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] };
    expect(hostsFile({ ...pod, spec }, '10.244.0.7', 'web')).toBe(
      '127.0.0.1\tlocalhost\n10.244.0.7\tweb\n1.2.3.4\ta\tb\n',
    );
    expect(givenVariables('10.96.0.1', '443', 'web')).toMatchObject({
      KUBERNETES_SERVICE_HOST: '10.96.0.1',
      KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
    });
  });

  it('words survive the shell and fstab', () => {
    expect(commandLine(['a b', "it's", '-x=1', ''])).toBe(`'a b' 'it'\\''s' -x=1 ''`);
    expect(fstabField('/a b\\c')).toBe('/a\\040b\\134c');
  });
});
