import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ConfigMap, Secret } from '#istio-api';
import { pathFor, resources } from '#kube';
import type { ApiObject } from '#kube';
import { generateCa, splitCertificates } from '#trust';
import { startApiServer } from '../harness/api-server.js';
import type { ApiServer } from '../harness/api-server.js';
import { hookTimeoutMs, waitFor } from '../harness/child.js';
import { requestCertificate } from './mesh/certificate.js';
import type { IssuedCertificate } from './mesh/certificate.js';
import { createAll, namespace, serviceAccount, tokenOf } from './mesh/cluster-objects.js';
import { startReplica, type Replica } from './mesh/mesh-under-test.js';

const release = 'isthmus-system';
/** Long enough for all that is looked at while the new root is announced, and while the old one leaves. */
const announceSeconds = 20;
const ttlSeconds = 45;
const flags = ['--root-announce', String(announceSeconds), '--max-workload-cert-ttl', String(ttlSeconds)];

interface Report {
  readonly phase: string;
  readonly request?: string;
  readonly roots: readonly string[];
  readonly message: string;
  readonly crlFault?: string;
}

describe('a root that is replaced, by two replicas on a real API server', () => {
  let api: ApiServer;
  let first: Replica;
  let second: Replica;
  let token: string;

  beforeAll(async () => {
    api = await startApiServer();
    const objects = [namespace('istio-system'), namespace(release), namespace('demo'), serviceAccount('demo', 'echo')];
    await createAll(api.client, objects);
    [first, second] = await Promise.all([startReplica(api, flags), startReplica(api, flags)]);
    token = await tokenOf(api.client, { namespace: 'demo', name: 'echo' });
    await ask(undefined);
  }, hookTimeoutMs);

  afterAll(async () => {
    await Promise.all([first?.stop(), second?.stop()]);
    await api?.stop();
  }, 30_000);

  /** The operator's wish, as GitOps or the command writes it. */
  async function ask(request: string | undefined): Promise<void> {
    const annotations = request === undefined ? {} : { 'isthmus.dev/rotate-root': request };
    const metadata = { namespace: release, name: 'isthmus-cluster', annotations };
    await api.client.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata }, { fieldManager: 'operator' });
  }

  async function report(): Promise<Report | undefined> {
    const path = pathFor(resources.configMaps, { namespace: release, name: 'isthmus-ca' });
    const text = (await api.client.get<ConfigMap & ApiObject>(path))?.data?.['rotation.json'];
    return text === undefined ? undefined : (JSON.parse(text) as Report);
  }

  function reported(what: string, wanted: (told: Report) => boolean, seconds = 60): Promise<Report> {
    return waitFor(
      what,
      async () => {
        const told = await report();
        return told !== undefined && wanted(told) ? told : undefined;
      },
      { timeoutMs: seconds * 1000 },
    );
  }

  async function rootsIn(name: string): Promise<readonly string[]> {
    const path = pathFor(resources.configMaps, { namespace: name, name: 'istio-ca-root-cert' });
    return splitCertificates((await api.client.get<ConfigMap & ApiObject>(path))?.data?.['root-cert.pem'] ?? '');
  }

  async function certificate(of: Replica): Promise<IssuedCertificate> {
    return requestCertificate({ port: of.port, ca: (await rootsIn('demo')).join(''), token });
  }

  async function stored(): Promise<Readonly<Record<string, string>>> {
    const path = pathFor(resources.secrets, { namespace: 'istio-system', name: 'isthmus-ca' });
    const data = (await api.client.get<Secret & ApiObject>(path))?.data ?? {};
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]),
    );
  }

  const issuedBy = (leaf: string | undefined, root: string): boolean =>
    new X509Certificate(leaf ?? '').verify(new X509Certificate(root).publicKey);

  it('is announced everywhere, then issues at both replicas, also at one that was started in between; the old one goes last', async () => {
    // Beside the start, namespace by namespace.
    const oldRoot = await waitFor('the root in demo', async () => (await rootsIn('demo'))[0]);
    const oldKey = (await stored())['ca-key.pem'] ?? '';
    const before = await certificate(first);
    expect(Date.parse(new X509Certificate(before.chain[0] ?? '').validTo)).toBeLessThanOrEqual(
      Date.now() + (ttlSeconds + 1) * 1000,
    );
    await ask('one');
    await reported('the announcement', ({ phase, request }) => phase === 'announced' && request === 'one');
    const announced = await waitFor('both roots in every namespace', async () => {
      const all = await Promise.all(['demo', 'istio-system', release, 'default'].map(rootsIn));
      return all.every((roots) => roots.length === 2) ? all[0] : undefined;
    });
    const newRoot = announced.find((root) => root !== oldRoot) ?? '';
    expect(issuedBy((await certificate(second)).chain[0], oldRoot)).toBe(true);

    // Killed in the middle: what was begun stands in the Secret, and another goes on with it.
    await first.stop();
    first = await startReplica(api, flags);
    await reported('the new root to issue', ({ phase }) => phase === 'leaving');
    await createAll(api.client, [namespace('late')]);
    for (const replica of [first, second]) {
      const { chain } = await waitFor('a certificate by the new root', async () => {
        const issued = await certificate(replica);
        return issuedBy(issued.chain[0], newRoot) ? issued : undefined;
      });
      // Leaf, the new root as the old one certified it, then both roots: who knows only the old one verifies too.
      expect(chain).toHaveLength(3);
      expect(issuedBy(chain[1], oldRoot)).toBe(true);
    }
    const overlapping = await stored();
    expect(Object.values(overlapping).join('')).not.toContain(oldKey.split('\n')[1]);
    expect(
      await waitFor('roots in a new namespace', async () => ((await rootsIn('late')).length === 2 ? 2 : undefined)),
    ).toBe(2);

    await reported('the old root to go', ({ phase }) => phase === 'issuing', 120);
    expect(Date.now()).toBeGreaterThan(Date.parse(new X509Certificate(before.chain[0] ?? '').validTo));
    await waitFor('the new root alone', async () =>
      (await Promise.all(['demo', 'late'].map(rootsIn))).every(([only, more]) => only === newRoot && more === undefined)
        ? true
        : undefined,
    );
    // Each replica reads by itself that the Secret has changed.
    await waitFor('no word of the old root', async () =>
      (await certificate(second)).chain.length === 2 ? true : undefined,
    );
    expect(Object.keys(await stored()).sort()).toEqual([
      'ca-cert.pem',
      'ca-key.pem',
      'cert-chain.pem',
      'root-cert.pem',
      'rotation.json',
    ]);
  }, 300_000);

  it('is the same again after somebody deleted its Secret: a replica that starts then must not make another', async () => {
    // How long certificates last that were issued is told anew all the time.
    const { 'rotation.json': _rotation, ...before } = await stored();
    await api.client.delete(pathFor(resources.secrets, { namespace: 'istio-system', name: 'isthmus-ca' }));
    const after = await waitFor('the Secret to be back', async () => {
      const found = await stored();
      return found['ca-key.pem'] === undefined ? undefined : found;
    });
    expect(after).toMatchObject(before);
  }, 90_000);

  it('is not replaced for a CA that its operator plugged in: it is said what he does himself; lists that are no whole set are named', async () => {
    const files = generateCa({ trustDomain: 'test.example', now: Date.now(), algorithm: 'rsa', serial: Buffer.of(7) });
    const data = { ...files, 'ca-crl.pem': '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n' };
    const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    await createAll(api.client, [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace: 'istio-system', name: 'cacerts' },
        data: Object.fromEntries(encoded) as object,
      } as ApiObject,
    ]);
    await ask('two');
    const told = await reported(
      'the refusal',
      ({ phase, message }) => phase === 'plugged-in' && message.includes('cross-cert.pem'),
    );
    expect(told.crlFault).toMatch(/^crl: list 1 is not a certificate revocation list/);
    const roots = JSON.stringify(splitCertificates(files['root-cert.pem']));
    await waitFor('its root', async () => (JSON.stringify(await rootsIn('demo')) === roots ? true : undefined));
  }, 150_000);
});
